"""What a node says of itself reaches the core whenever there is one, also what happened before."""

from vedette.cluster import events
from vedette.daemon.fitness import Fitness


def test_a_core_that_begins_is_told_of_a_gate_that_failed_before() -> None:
    told: list[events.Event] = []
    there = False

    def tell(event: events.Event) -> None:
        if there:
            told.append(event)

    fitness = Fitness("a", fit=lambda _: True, tell=tell)
    fitness.gate("no clsact qdisc")
    there = True
    fitness.say()
    assert events.Gate(working=False) in told
    fitness.gate(None)
    assert told[-1] == events.Gate(working=True)
