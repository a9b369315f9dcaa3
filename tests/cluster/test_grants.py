"""A hand-over with the vote that goes with it (rule 20a): quick, and worth no more than a vote that was asked for."""

from dataclasses import replace

from tests.cluster.bench import LINK, Bench, Letter, config

from vedette.cluster.config import tag
from vedette.cluster.events import Datagram, Gate, Move
from vedette.cluster.leases import Granted
from vedette.cluster.messages import Accept, Message, Prepare, Release
from vedette.kit.units import MILLISECOND, SECOND


def handing_over() -> tuple[Bench, Letter]:
    """Node a has let go of g for b, and the letter that says so is about to arrive."""
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND + 100 * MILLISECOND)
    assert bench.holders() == ["a"]
    bench.handle("a", Move("g", "b", "alice", "test"))
    return bench, next(letter for letter in bench.items(Release) if letter.target == "b")


def said(bench: Bench, letter: Letter) -> tuple[Message, Release]:
    message = bench.read(letter)
    return message, next(item for item in message.items if isinstance(item, Release))


def test_one_datagram_is_enough() -> None:
    bench, letter = handing_over()
    bench.handle("b", Datagram(LINK, letter.data))
    assert bench.owners() == bench.holders() == ["b"]
    assert not bench.items(Prepare)


def test_the_third_voter_is_asked_for_its_vote_at_once() -> None:
    bench, letter = handing_over()
    bench.handle("b", Datagram(LINK, letter.data))
    assert {asked.target for asked in bench.items(Accept)} == {"a", "w"}


def test_the_lease_counts_from_when_the_successor_sent_what_the_releaser_had_heard() -> None:
    bench, letter = handing_over()
    _, release = said(bench, letter)
    assert release.grant is not None
    asked = bench.machine("b")._outbox.sent_at(release.grant.nonce)
    assert asked is not None
    assert asked < bench.now
    bench.now += 20 * MILLISECOND
    bench.handle("b", Datagram(LINK, letter.data))
    assert bench.machine("b").view(bench.now).leases[0].until == asked + bench.config.timings.lease


def test_a_grant_is_used_once() -> None:
    """A round that was used, or that anything above it was heard of, is not new: the ballot may have had its time."""
    bench, letter = handing_over()
    bench.handle("b", Datagram(LINK, letter.data))
    _, release = said(bench, letter)
    assert release.grant is not None
    again = Granted("a", release.grant.ballot, bench.now)
    assert not bench.machine("b")._proposer.usable(again, bench.now)


def test_a_grant_for_an_earlier_life_is_not_used() -> None:
    bench, letter = handing_over()
    bench.kill("b")
    bench.start("b")
    bench.run(100 * MILLISECOND)
    bench.machine("b")._leases[tag("g")].seen = None
    _, release = said(bench, letter)
    bench.machine("b")._hearing._released(bench.machine("b")._peers["a"], release, bench.now)
    assert bench.machine("b")._leases[tag("g")].granted is None


def test_a_grant_for_an_earlier_session_is_not_used() -> None:
    """A disk that was rolled back brings the incarnation again; the nonce names another number in the new session."""
    bench, letter = handing_over()
    _, release = said(bench, letter)
    assert release.grant is not None
    earlier = replace(release.grant, session=release.grant.session ^ 1)
    assert bench.machine("b")._hearing._granted(bench.machine("b")._peers["a"], release.grant) is not None
    assert bench.machine("b")._hearing._granted(bench.machine("b")._peers["a"], earlier) is None


def test_a_grant_that_comes_when_its_time_is_nearly_over_is_not_used() -> None:
    bench, letter = handing_over()
    _, release = said(bench, letter)
    assert release.grant is not None
    asked = bench.now - bench.config.timings.lease + bench.config.timings.attempt
    assert not bench.machine("b")._proposer.usable(Granted("a", release.grant.ballot, asked), bench.now)


def test_who_cannot_take_what_it_is_handed_gives_the_vote_back() -> None:
    """Else the releaser's voter would be bound for D, and nobody could take the group."""
    bench, letter = handing_over()
    bench.handle("b", Gate(working=False))
    bench.handle("b", Datagram(LINK, letter.data))
    bench.run(SECOND)
    assert bench.holders() == ["a"]


def test_a_voter_with_a_living_record_grants_nothing() -> None:
    bench, _ = handing_over()
    voter = bench.machine("a")._voter
    (record,) = [vote.record for vote in voter.votes.values() if vote.record is not None]
    assert record.ballot.node == tag("b")
    assert voter.grant(tag("g"), tag("w"), 1, bench.now) is None
