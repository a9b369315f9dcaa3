"""The holes of earlier drafts (cluster-holes.md), each as a claim about the rules that closed it."""

from dataclasses import replace
from random import Random

import pytest
from tests.cluster.bench import KEY, LINK, OTHER_KEY, TIMINGS, Bench, Letter, config, group

from vedette.cluster import boot
from vedette.cluster.ballot import Ballot
from vedette.cluster.config import CoreConfig, tag
from vedette.cluster.events import Datagram, Gate, Move, Readiness, Reason, Reconfigure, Standby, Stop, Tick, What
from vedette.cluster.fallen import Fallen
from vedette.cluster.messages import Accept, Accepted, Flag, Nack, Prepare, Promise, Release
from vedette.cluster.voter import Voter
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback, SplitBrainPolicy
from vedette.state.placement import Liveness

D = 3 * SECOND


def settled(core: CoreConfig | None = None, *, obeys: bool = True) -> Bench:
    """A cluster in which a holds g."""
    bench = Bench(core or config())
    bench.start()
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    bench.kernel_obeys = obeys
    return bench


def happened(bench: Bench, name: str) -> list[tuple[What, Reason]]:
    return [(event.what, event.reason) for ready in bench.seats[name].said for event in ready.events]


def test_hole_1_a_lease_counts_from_the_moment_prepare_was_sent() -> None:
    """However late the promises and accepts come, the lease ends D_P after Prepare."""
    bench = Bench(config())
    bench.start()
    bench.run(3 * SECOND - MILLISECOND)
    while not bench.items(Prepare):
        bench.deliver(rounds=1)
        if not bench.post:
            bench.now += MILLISECOND
            for name in bench.seats:
                bench.handle(name, Tick())
    began = bench.now
    bench.now += bench.config.timings.attempt // 2
    bench.deliver()
    assert bench.owners() == ["a"]
    assert bench.machine("a").view(bench.now).leases[0].until == began + bench.config.timings.lease


def test_hole_1_an_attempt_whose_time_is_over_cannot_win() -> None:
    """Accepted messages that come after the attempt is void change nothing."""
    bench = Bench(config())
    bench.start()
    bench.run(3 * SECOND - MILLISECOND)
    held_back: list[Letter] = []
    for _ in range(40):
        bench.now += MILLISECOND
        for name in bench.seats:
            bench.handle(name, Tick())
        while bench.post:
            accepted = bench.items(Accepted)
            bench.drop(accepted)
            held_back += accepted
            bench.deliver(rounds=1)
    assert held_back
    bench.now += bench.config.timings.attempt
    bench.handle("a", Datagram(LINK, held_back[0].data))
    assert "a" not in bench.owners()


def test_hole_1_what_is_read_too_late_is_not_voted_on() -> None:
    """A voter that slept reads a Prepare whose time is long over: what it echoes was sent more than D ago."""
    bench = settled()
    bench.kill("a")
    while not bench.items(Prepare):
        bench.now = max(bench.now, bench.seats["b"].wake_at)
        bench.handle("b", Tick())
        bench.deliver(rounds=0 if bench.items(Prepare) else 100)
    late = next(letter for letter in bench.items(Prepare) if letter.target == "w")
    bench.post.clear()
    bench.now += 2 * D
    bench.handle("w", Datagram(LINK, late.data))
    assert not bench.items((Promise, Nack))


def test_hole_2_a_restarted_proposer_never_reuses_a_ballot() -> None:
    bench = settled()
    before = bench.machine("a")._voter.highest
    bench.kill("a")
    bench.start("a")
    bench.run(100 * MILLISECOND)
    record = bench.machine("a")._voter.votes[tag("g")].record
    assert record is not None
    assert record.ballot.round > before
    assert record.ballot.incarnation == 2


def test_hole_3_a_renewal_extends_from_its_sending_not_from_its_acks() -> None:
    """An ack that comes late gives a lease that is as old as the heartbeat it answers."""
    bench = settled()
    while not bench.post:
        bench.now = bench.seats["a"].wake_at
        bench.handle("a", Tick())
    sent = bench.now
    for letter in list(bench.post):
        bench.post.remove(letter)
        bench.handle(letter.target, Datagram(LINK, letter.data))
    answers = [letter for letter in bench.post if letter.target == "a"]
    bench.now += SECOND
    for letter in answers:
        bench.handle("a", Datagram(LINK, letter.data))
    until = bench.machine("a").view(bench.now).leases[0].until
    assert until == sent + bench.config.timings.lease


def test_hole_4_a_late_accept_does_not_replace_anothers_live_record() -> None:
    voter, old, new = (
        Voter(dead_after=D, votes={}, highest=0, fallen=Fallen({}, {})),
        Ballot(1, 1, 10),
        Ballot(2, 1, 20),
    )
    voter.prepare(Prepare(1, new, None), 0, busy=None)
    voter.accept(Accept(1, new, None), 0, busy=None)
    answer = voter.accept(Accept(1, old, None), 1, busy=None)
    assert isinstance(answer, Nack)
    assert voter.votes[1].record is not None
    assert voter.votes[1].record.ballot == new


def test_hole_5_a_refused_prepare_does_not_raise_the_promise() -> None:
    """A node that can send but not hear cannot disturb the owner by asking for ever."""
    voter, owner, pest = (
        Voter(dead_after=D, votes={}, highest=0, fallen=Fallen({}, {})),
        Ballot(1, 1, 10),
        Ballot(9, 1, 20),
    )
    voter.accept(Accept(1, owner, None), 0, busy=None)
    for now in range(0, D, D // 10):
        assert isinstance(voter.prepare(Prepare(1, pest, None), now, busy=None), Nack)
    assert voter.votes[1].promised == owner
    assert voter.renew(1, owner, D // 2, busy=None)


def test_hole_5_two_directors_that_only_the_witness_hears_do_not_fight() -> None:
    bench = settled()
    bench.cut = {("a", "b"), ("b", "a")}
    bench.run(30 * SECOND)
    assert bench.holders() == ["a"]
    assert (What.GROUP_RELEASING, Reason.LEASE_ENDED) not in happened(bench, "a")


def test_hole_6_an_attempt_ends_by_itself_and_waits_for_exactly_what_stands_against_it() -> None:
    bench = settled()
    bench.isolate("a")
    bench.run(D + 100 * MILLISECOND)
    assert bench.holders() == ["b"]


def test_hole_7_a_restarted_daemon_is_not_silent() -> None:
    bench = settled()
    bench.kill("w")
    bench.start("w")
    assert not bench.machine("w")._site.silent(bench.now)


def test_hole_7_silence_after_a_boot_counts_from_the_boot() -> None:
    bench = settled()
    bench.reboot("w")
    bench.now = SECOND  # of the new boot, on w's clock
    bench.start("w")
    assert bench.machine("w")._site.silent_until == D


def test_hole_7_who_lost_the_run_time_state_of_this_boot_keeps_silent_from_the_start() -> None:
    bench = settled()
    bench.kill("w")
    bench.seats["w"].volatile = None
    bench.start("w")
    assert bench.machine("w")._site.silent_until == bench.now + D


def test_hole_7_silence_outlives_a_daemon_restart() -> None:
    """A run-time state that was begun in silence does not end it."""
    bench = Bench(config(), now=SECOND)
    bench.start("w")
    until = bench.machine("w")._site.silent_until
    bench.kill("w")
    bench.now += SECOND // 2
    bench.start("w")
    assert bench.machine("w")._site.silent_until == until > bench.now


def test_hole_7_a_silent_voter_answers_nobody_but_renews() -> None:
    bench = settled()
    seat = bench.seats["w"]
    bench.kill("w", "b")
    seat.volatile = None
    bench.start("w")
    bench.run(2 * SECOND)
    assert bench.machine("w")._site.silent(bench.now)
    assert bench.holders() == ["a"]


def test_hole_8_the_own_vote_is_persisted_before_the_renewal_leaves() -> None:
    bench = settled()
    while True:
        bench.now = max(bench.now, bench.seats["a"].wake_at)
        ready = bench.handle("a", Tick())
        if ready.send:
            break
    assert ready.volatile is not None
    record = bench.machine("a")._voter.votes[tag("g")].record
    assert record is not None
    assert record.deadline == bench.now + D


def test_hole_9_a_restarted_owner_does_not_wait_for_its_own_old_record() -> None:
    bench = settled()
    end = bench.seats["a"].kernel["g"]
    bench.kill("a")
    bench.start("a")
    assert bench.holders() == ["a"]
    bench.run(20 * MILLISECOND)
    assert bench.machine("a").view(bench.now).leases[0].until > end - D // 2
    own = bench.machine("a")._leases[tag("g")].own
    assert own is not None
    assert not own.adopted
    assert own.ballot.incarnation == 2


@pytest.mark.parametrize("victim", ["b", "w"])
def test_hole_11_the_death_of_anybody_else_costs_the_holder_nothing(victim: str) -> None:
    bench = settled()
    bench.kill(victim)
    bench.run(5 * D)
    assert bench.holders() == ["a"]
    assert (What.GROUP_RELEASING, Reason.LEASE_ENDED) not in happened(bench, "a")


def test_hole_20_half_of_the_voters_never_take_anything() -> None:
    """With one of three nodes left, nothing is held, whoever is known to be dead."""
    bench = settled()
    bench.kill("a", "w")
    bench.run(10 * D)
    assert bench.owners() == []


def test_hole_23_a_silent_holders_group_moves_only_after_its_gate_has_closed() -> None:
    bench = settled()
    bench.isolate("a")
    closes = bench.seats["a"].kernel["g"]
    while bench.seats["b"].kernel.get("g", 0) == 0:
        bench.run(MILLISECOND)
        assert bench.now < closes + D
    assert bench.now > closes


def test_hole_24_contents_count_only_from_increasing_sequence_numbers() -> None:
    bench = settled()
    old: list[Letter] = []
    while not old:
        bench.now = bench.seats["a"].wake_at
        bench.handle("a", Tick())
        old = [one for one in bench.post if one.target == "b" and Flag.PERIODIC in bench.read(one).flags]
        bench.deliver(rounds=0 if old else 100)
    bench.run(SECOND + 100 * MILLISECOND)
    before = bench.seats["b"].volatile
    bench.handle("b", Datagram(LINK, old[0].data))
    assert bench.seats["b"].volatile == before


def test_hole_26_a_new_incarnation_does_not_free_what_its_kernel_still_holds() -> None:
    """The daemon comes back without its memory while the kernel has the address: first the kernel lets go."""
    bench = settled(obeys=False)
    bench.kill("a")
    bench.seats["a"].volatile = None
    bench.start("a")
    assert bench.seats["a"].releasing == ["g"]
    bench.run(100 * MILLISECOND)
    assert bench.machine("a")._leases[tag("g")].releasing is not None
    assert not bench.items(Release)


def test_hole_27_nobody_hears_of_a_release_before_the_kernel_is_seen_empty() -> None:
    bench = settled(obeys=False)
    bench.handle("b", Move("g", "b", "alice", "test"))
    bench.run(2 * SECOND)
    assert bench.seats["a"].releasing == ["g"]
    assert not bench.items(Release)
    assert "b" not in bench.owners()
    bench.kernel_obeys = True
    bench.confirm("a")
    bench.run(10 * MILLISECOND)
    assert bench.owners() == ["b"]


def test_hole_28_a_peer_is_alive_from_what_it_echoed_not_from_when_it_was_read() -> None:
    bench = settled()
    bench.run(500 * MILLISECOND)
    bench.now += D - 400 * MILLISECOND  # nobody reads anything meanwhile
    bench.handle("b", Tick())
    peer = bench.machine("a")._peers["b"]
    assert peer.alive_until <= bench.now + D
    late = [letter for letter in bench.post if letter.source == "b" and letter.target == "a"]
    for letter in late:
        bench.handle("a", Datagram(LINK, letter.data))
    assert peer.alive_until < bench.now + D - SECOND


def test_hole_29_a_cold_start_needs_no_fresh_heartbeat_to_begin_with() -> None:
    bench = Bench(config())
    bench.start()
    bench.run(10 * MILLISECOND)
    for name in bench.seats:
        assert all(node.liveness is Liveness.UP for node in bench.machine(name).view(bench.now).nodes)


def test_hole_29_a_peer_whose_disk_was_rolled_back_can_return() -> None:
    bench = settled()
    early = bench.seats["b"].durable
    for _ in range(3):
        bench.kill("b")
        bench.start("b")
        bench.run(100 * MILLISECOND)
    assert bench.machine("a").view(bench.now).nodes[1].incarnation == 4
    bench.reboot("b")
    bench.seats["b"].durable = early
    bench.start("b")
    bench.run(2 * D)
    node = bench.machine("a").view(bench.now).nodes[1]
    assert node.liveness is Liveness.UP
    assert node.incarnation == 2


def test_hole_31_owners_heartbeats_are_answered_at_once() -> None:
    """The least rest of a lease is D_P less one interval and a round trip, not less three intervals."""
    bench = settled()
    least = D
    for _ in range(50):
        bench.run(37 * MILLISECOND)
        least = min(least, bench.seats["a"].kernel["g"] - bench.now)
    assert least >= bench.config.timings.lease - bench.config.timings.interval - MILLISECOND


def test_hole_35_nodes_whose_config_differs_do_not_vote_for_each_other_but_are_alive() -> None:
    """Voters, policy and timings are in the config's id (holes 35 and 36); leases need the same id."""
    bench = Bench(config())
    bench.start("a")
    bench.config = config(timings=replace(TIMINGS, dead_after=4 * SECOND))
    bench.start("b")
    bench.run(15 * SECOND)
    assert bench.machine("a").view(bench.now).nodes[1].liveness is Liveness.UP
    assert (What.CONFIG_DIFFERS, Reason.NONE) in happened(bench, "a")
    assert bench.holders() == []
    bench.start("w")  # like b: what most voters run is what the cluster runs
    bench.run(15 * SECOND)
    assert bench.holders() == ["a"]
    assert len({bench.machine(name).config.id for name in bench.seats}) == 1


def test_hole_37_a_new_key_in_front_signs_only_when_everyone_heard_accepts_it() -> None:
    bench = Bench(config(), keys={"a": (OTHER_KEY, KEY), "b": (KEY,), "w": (KEY,)})
    bench.start()
    bench.run(5 * SECOND)
    assert bench.holders() == ["a"]
    bench.keys = dict.fromkeys("abw", (OTHER_KEY, KEY))
    for name in ("b", "w"):
        bench.kill(name)
        bench.start(name)
        bench.run(SECOND)
    assert bench.holders() == ["a"]
    assert bench.machine("a")._keyring.sign(bench.now) == OTHER_KEY.secret
    assert (What.GROUP_RELEASING, Reason.LEASE_ENDED) not in happened(bench, "a")


def test_hole_38_after_a_cut_the_lower_claim_yields_and_the_higher_never_drops() -> None:
    groups = (group("g", failback=Failback.MANUAL),)
    bench = Bench(config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.TOLERATE, groups=groups))
    bench.start()
    bench.run(SECOND)
    assert bench.holders() == ["a"]
    bench.isolate("a")
    bench.run(2 * D)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    bench.run(SECOND // 2 + 10 * MILLISECOND)
    assert bench.holders() == ["b"]
    assert (What.GROUP_RELEASING, Reason.HIGHER_CLAIM) in happened(bench, "a")
    assert not [what for what, _ in happened(bench, "b") if what is What.GROUP_RELEASING]


def test_hole_38_the_claim_of_a_peer_that_does_not_hear_me_counts() -> None:
    bench = Bench(config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.TOLERATE))
    bench.start()
    bench.run(SECOND)
    bench.cut = {("a", "b")}
    bench.run(2 * D)
    assert bench.holders() == ["b"]
    assert not bench.machine("a")._peers["b"].alive(bench.now)


def test_hole_38_a_peer_heard_one_way_is_not_taken_for_dead() -> None:
    bench = Bench(config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.TOLERATE))
    bench.start()
    bench.run(SECOND)
    bench.cut = {("b", "a")}  # b hears a and is not heard
    bench.run(3 * D)
    assert bench.holders() == ["a"]


def test_hole_39_a_goodbye_ends_all_that_its_sender_held() -> None:
    bench = settled()
    bench.handle("a", Stop())
    bench.run(50 * MILLISECOND)
    assert bench.seats["a"].machine is None
    assert bench.holders() == ["b"]
    assert bench.machine("b").view(bench.now).nodes[0].liveness is Liveness.DEAD
    assert (What.NODE_LEFT, Reason.NONE) in happened(bench, "b")


def test_hole_40_a_preferred_node_that_was_never_heard_is_waited_for() -> None:
    bench = Bench(config())
    bench.start("b", "w")
    bench.run(9 * SECOND)
    assert bench.owners() == []
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]


# What these drafts did not have, and this one could get wrong


def test_an_attempt_over_an_adopted_lease_is_not_released_when_it_fails() -> None:
    """Its records have replaced the old incarnation's, and only they keep others out until the adopted end."""
    bench = settled()
    bench.kill("a")
    bench.start("a")
    lease = bench.machine("a")._leases[tag("g")]
    tried = False
    while not tried or lease.attempt is not None:
        tried = tried or (lease.attempt is not None and lease.attempt.accepting)
        bench.drop(bench.items(Accepted))
        bench.deliver(rounds=1)
        if not bench.post:
            bench.now += 5 * MILLISECOND
            bench.handle("a", Tick())
    bench.drop(bench.items((Prepare, Accept)))
    bench.deliver()
    assert bench.holders() == ["a"]
    for name in "bw":
        record = bench.machine(name)._voter.live(tag("g"), bench.now)
        assert record is not None
        assert record.ballot.node == tag("a")


def test_a_vote_outlives_the_removal_of_its_group_from_the_document() -> None:
    """A reload that drops a group and another that brings it back must not make a voter forget."""
    bench = settled()
    votes = bench.machine("w")._voter.votes
    bench.handle("w", Reconfigure(groups=(), nodes=bench.config.nodes))
    bench.handle("w", Reconfigure(groups=bench.config.groups, nodes=bench.config.nodes))
    assert votes[tag("g")].record is not None


def test_a_stop_without_a_ready_successor_leaves_everything_to_the_next_daemon() -> None:
    bench = settled()
    bench.handle("b", Gate(working=False))
    bench.run(50 * MILLISECOND)
    bench.handle("a", Stop())
    bench.run(100 * MILLISECOND)
    assert bench.seats["a"].machine is None
    assert bench.seats["a"].releasing == []
    bench.start("a")
    bench.run(50 * MILLISECOND)
    assert bench.holders() == ["a"]
    assert (What.GROUP_ADOPTED, Reason.ADOPTED) in happened(bench, "a")


def test_a_stop_in_place_says_nothing_and_releases_nothing() -> None:
    bench = settled()
    assert bench.handle("a", Stop(in_place=True)).stopped
    assert bench.seats["a"].releasing == []
    assert bench.holders() == ["a"]


def test_a_single_voter_holds_for_ever_and_adopts_without_condition() -> None:
    bench = Bench(config(nodes=("a",), witnesses=(), groups=(group("g", ("a",), preferred="a"),)))
    bench.start()
    assert bench.holders() == ["a"]
    bench.kill("a")
    bench.now += 100 * D
    bench.seats["a"].volatile = None
    bench.start("a")
    assert bench.seats["a"].releasing == []
    assert bench.holders() == ["a"]
    bench.handle("a", Stop())
    assert bench.seats["a"].machine is None
    assert bench.seats["a"].kernel["g"] > bench.now


def test_helpers_that_die_cost_no_address_but_a_cut_cable_moves_it() -> None:
    bench = settled()
    bench.handle("a", Readiness(services=False))
    bench.run(2 * SECOND)
    assert bench.holders() == ["a"]
    bench.handle("a", Readiness(services=True, connected=False))
    bench.run(50 * MILLISECOND)
    assert bench.holders() == ["b"]


def test_a_standby_node_hands_over_to_whom_is_ready_and_takes_nothing() -> None:
    bench = settled()
    bench.handle("b", Standby("a", True, "alice", "disk"))
    bench.run(50 * MILLISECOND)
    assert bench.holders() == ["b"]
    bench.kill("b")
    bench.run(3 * D)
    assert bench.holders() == []
    bench.handle("w", Standby("a", False, "alice", "done"))
    bench.run(2 * SECOND)
    assert bench.holders() == ["a"]


def test_a_hand_over_that_fails_is_not_tried_again_at_once() -> None:
    """Rule 24: after retaking the group, no voluntary move to the same node for a while."""
    bench = settled()
    bench.cut = {("b", "w")}  # b seems ready to a, but cannot get the witness's vote
    bench.handle("a", Move("g", "b", "alice", "test"))
    bench.cut |= {("b", "a")}
    bench.run(2 * D)
    assert bench.holders() == ["a"]
    assert bench.machine("a")._leases[tag("g")].hold_down["b"] > bench.now


def test_a_group_that_nobody_whole_takes_goes_where_at_least_the_addresses_work() -> None:
    """No director has its table: better held with less behind it than by nobody, but not in haste."""
    bench = Bench(config())
    bench.start()
    for name in bench.seats:
        bench.handle(name, Readiness(services=False))
    bench.run(4 * SECOND)
    assert bench.holders() == []
    bench.run(bench.config.timings.startup_grace + 2 * D)
    assert len(bench.holders()) == 1


def test_a_director_without_its_table_lets_a_whole_one_go_first() -> None:
    """a is preferred but has no table; b takes the group at once, and keeps it until a is whole."""
    bench = Bench(config())
    bench.start()
    bench.handle("a", Readiness(services=False))
    bench.run(4 * SECOND)
    assert bench.holders() == ["b"]


def test_what_could_not_be_written_is_wanted_again() -> None:
    """A full disk delays what the core does; it never makes it say what it will not remember."""
    bench = settled()
    machine = bench.machine("a")
    ready = machine.handle(Move("g", "b", "alice", "test"), bench.now)
    assert ready.release == ("g",)
    assert ready.volatile is not None
    machine.not_performed(ready)
    again = machine.handle(Tick(), bench.now)
    assert again.release == ("g",)
    assert again.volatile is not None
    assert again.durable == ready.durable
    assert "g" not in again.hold


def test_hole_38_two_adopted_claims_are_compared_too() -> None:
    """Both daemons restart while the link is cut and both adopt: healed, exactly one holder stays."""
    groups = (group("g", failback=Failback.MANUAL),)
    bench = Bench(config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.TOLERATE, groups=groups))
    bench.start()
    bench.run(SECOND)
    bench.isolate("a")
    bench.run(2 * D)
    for name in ("a", "b"):
        bench.kill(name)
        bench.start(name)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    bench.run(SECOND)
    assert bench.holders() == ["b"]


def test_a_disk_that_was_rolled_back_brings_no_incarnation_again() -> None:
    """Its ballots would be the old ones, and what is still said of those would count for the new (Spin: 16 steps)."""

    def incarnation(calendar: int) -> int:
        return boot.recall(
            config=config(),
            me="a",
            boot_id="1",
            durable=None,
            volatile=None,
            now=0,
            calendar=calendar,
            random=Random(1),
        ).site.incarnation

    assert incarnation(500) == 500 < incarnation(501)
    assert incarnation(0) == 1
