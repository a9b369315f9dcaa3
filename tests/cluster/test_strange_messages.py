"""A peer that has the key and another mind: of a later release, or with a mistake. The core must go on.

What is said is anything that can be written; who says it is a peer that is alive and heard, so that all of it counts.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.cluster.bench import KEY, LINK, Bench, config
from tests.cluster.test_wire import messages

from vedette.cluster import wire
from vedette.cluster.config import tag
from vedette.cluster.events import Datagram, What
from vedette.cluster.messages import Flag, Message
from vedette.kit.units import SECOND

CORE = config()
SECRETS = {wire.fingerprint(KEY.secret): KEY.secret}


def settled() -> tuple[Bench, Message]:
    """Three cores that know each other, and what the second said last to the first, with an echo of it."""
    bench = Bench(CORE)
    bench.start()
    bench.run(4 * SECOND)
    for ready in reversed(bench.seats["b"].said):
        for outgoing in reversed(ready.send):
            message = wire.decode(outgoing.data, cluster=CORE.cluster_id, secrets=SECRETS)
            if isinstance(message, Message) and any(echo.node == tag("a") for echo in message.echoes):
                return bench, message
    raise AssertionError("b has never answered a")


def as_if_by(last: Message, new: Message, *, sequence: int, same_config: bool, about: int) -> bytes:
    """``new``, said by the one who said ``last``, its first item and its first lease about a certain group."""
    items = tuple(replace(item, group=about) for item in new.items[:1]) + new.items[1:]
    own = tuple((about, ballot) for _, ballot in new.own[:1]) + new.own[1:]
    said = new._replace(
        keys=last.keys,
        sender=last.sender,
        session=last.session,
        incarnation=last.incarnation,
        sequence=sequence,
        to=0,
        echoes=last.echoes,
        config=last.config if same_config else new.config,
        items=items,
        own=own,
    )
    return wire.encode(said, cluster=CORE.cluster_id, secret=KEY.secret)


@settings(max_examples=40, deadline=None)
@given(some.lists(messages, min_size=1, max_size=3), some.booleans(), some.sampled_from([tag("g"), 0, 5]))
def test_whatever_a_living_peer_says_the_core_goes_on(news: list[Message], same_config: bool, about: int) -> None:
    bench, last = settled()
    for number, new in enumerate(news, 1):
        data = as_if_by(last, new, sequence=last.sequence + number, same_config=same_config, about=about)
        if len(data) <= wire.LARGEST:
            bench.handle("a", Datagram(LINK, data))
            assert bench.machine("a").refused == {}, "what is to be tried must count"
            bench.machine("a").view(bench.now)
    before = len(bench.seats["a"].said)
    bench.run(4 * SECOND)
    assert any(ready.send for ready in bench.seats["a"].said[before:]), "it has fallen silent"


def test_what_is_said_here_counts() -> None:
    """A peer's farewell is believed: so what is tried above reaches the core's rules."""
    bench, last = settled()
    farewell = Message(bytes(8), (), 1, 1, 1, 1, frozenset({Flag.STATE, Flag.GOODBYE}))
    data = as_if_by(last, farewell, sequence=last.sequence + 1, same_config=True, about=tag("g"))
    events = bench.handle("a", Datagram(LINK, data)).events
    assert [event.node for event in events if event.what is What.NODE_LEFT] == ["b"]
