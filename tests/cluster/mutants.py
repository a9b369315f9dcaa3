"""``python -m tests.cluster.mutants``: plant one bug at a time; the simulation must find each within its budget.

A mutant bends one rule of cluster.md by replacing one function of the core. Where two rules protect the same thing,
the mutant takes both away, and says so.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

from tests.cluster import (
    test_config,
    test_council,
    test_fencing,
    test_grants,
    test_holes,
    test_large,
    test_policies,
    test_singles,
)
from tests.cluster.simulation.run import run
from tests.cluster.simulation.scenario import PROFILES
from tests.cluster.test_policies import three

from vedette.cluster import boot
from vedette.cluster import charter as charters
from vedette.cluster.ballot import Ballot, Record
from vedette.cluster.charter import Charter, Wanted
from vedette.cluster.choice import Choice
from vedette.cluster.config import CoreConfig, Timings
from vedette.cluster.council import Council, Proposal
from vedette.cluster.events import Reconfigure
from vedette.cluster.fallen import Fallen
from vedette.cluster.fencing import Fencing
from vedette.cluster.hearing import Hearing
from vedette.cluster.leases import Lease
from vedette.cluster.machine import Machine
from vedette.cluster.membership import Membership
from vedette.cluster.messages import Accept, Message, Motion, Nack, Prepare, Promise, Release, Stage
from vedette.cluster.outbox import Renewal
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer, Verdict
from vedette.cluster.placement import Placement
from vedette.cluster.proposer import Proposer
from vedette.cluster.quorum import Quorum
from vedette.cluster.steering import Steering
from vedette.cluster.storage import Owned
from vedette.cluster.turnout import Turnout
from vedette.cluster.voter import Voter
from vedette.kit.errors import InvariantError

Patch = tuple[object, str, object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """``rule`` of cluster.md that is bent; ``profile`` that looks for it; ``budget`` in seeds.

    ``case`` is the test that finds what needs too many exact steps, or too exact clocks, for chance.
    """

    name: str
    rule: str
    patches: Callable[[], list[Patch]]
    profile: str = "lease"
    budget: int = 300
    case: Callable[[], None] | None = None

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for target, attribute, value in self.patches():
                stack.enter_context(patch.object(target, attribute, value))
            stack.enter_context(patch("vedette.cluster.invariants.check", lambda *_: None))
            yield

    def hunt(self, *, first: int = 0, seeds: int | None = None) -> str | None:
        """What finds it, a seed or a case, and how; ``None`` when the budget is spent."""
        if self.case is not None:
            return self._by_case(self.case)
        profile = next(profile for profile in PROFILES if profile.name == self.profile)
        with self.planted():
            for seed in range(first, first + (seeds or self.budget)):
                try:
                    run(seed, profile)
                except (AssertionError, InvariantError) as error:
                    return f"{profile.name} seed {seed}: {type(error).__name__}"
        return None

    def _by_case(self, case: Callable[[], None]) -> str | None:
        case()  # it holds as long as nothing is planted
        with self.planted():
            try:
                case()
            except (AssertionError, InvariantError):
                return "its case"
        return None


def _no_silence() -> list[Patch]:
    return [(boot, "_silent_until", lambda *_: 0)]


def _silence_ends_with_a_restart() -> list[Patch]:
    original = boot._silent_until

    def bent(config: Any, lasting: Any, same_boot: Any, boot_id: str, now: int) -> int:
        return 0 if same_boot is not None else original(config, lasting, same_boot, boot_id, now)

    return [(boot, "_silent_until", bent)]


def _timer_starts_at_the_quorum() -> list[Patch]:
    original = Proposer._count_accepts

    def bent(self: Proposer, lease: Lease, now: int) -> None:
        assert lease.attempt is not None
        lease.attempt.lease_end = now + self._site.timings.lease
        original(self, lease, now)

    return [(Proposer, "_count_accepts", bent), (Timings, "attempt", property(lambda self: self.dead_after // 2))]


def _renewed_from_receipt() -> list[Patch]:
    original = Owner.acknowledged

    def bent(self: Owner, voter: str, renewal: Renewal, positions: int, now: int) -> None:
        original(self, voter, replace(renewal, sent=now, acks=renewal.acks), positions, now)

    return [(Owner, "acknowledged", bent)]


def _stale_counts_as_fresh() -> list[Patch]:
    original = Peer.receive

    def bent(self: Peer, message: Message, *, sent: int | None, now: int, **rest: Any) -> Verdict:
        return original(self, message, sent=now, now=now, **rest)

    return [(Peer, "receive", bent), *_no_echo_needed()]


def _no_echo_needed() -> list[Patch]:
    from vedette.cluster.messages import Echo

    original = Hearing._echo_of_me
    return [(Hearing, "_echo_of_me", lambda self, message: original(self, message) or Echo(0, 0, 0))]


def _half_is_enough() -> list[Patch]:
    return [(CoreConfig, "majority", property(lambda self: len(self.voters) // 2))]


def _everybody_votes() -> list[Patch]:
    def reached(self: Quorum, votes: Any, now: int) -> bool:
        return len(votes) >= self._config.majority

    return [(Quorum, "reached", reached)]


def _votes_are_not_distinct() -> list[Patch]:
    def bent(self: Proposer, lease: Lease, voter: str, answer: Any, now: int) -> None:
        attempt = self._current(lease, answer.ballot, now)
        if attempt is not None and attempt.accepting:
            attempt.accepted |= set(self._site.config.voters[: len(attempt.accepted) + 1])
            self._count_accepts(lease, now)

    def reached(self: Quorum, votes: Any, now: int) -> bool:
        return len(votes) >= self._config.majority - 1 if len(self._config.voters) > 2 else True

    return [(Proposer, "accepted", bent), (Quorum, "reached", reached)]


def _foreign_records_are_replaced() -> list[Patch]:
    original = Voter.prepare

    def bent(self: Voter, ask: Prepare, now: int, *, busy: int | None) -> Promise | Nack:
        answer = original(self, ask, now, busy=busy)
        return replace(answer, record=None) if isinstance(answer, Promise) else answer

    return [(Record, "foreign", lambda _self, _asker: False), (Voter, "prepare", bent)]


def _renewal_replaces_records() -> list[Patch]:
    def bent(self: Voter, group: int, ballot: Ballot, now: int, *, busy: int | None) -> bool:
        vote = self._vote(group, now)
        vote.record = Record(ballot, now + self._dead_after)
        return True

    return [(Voter, "renew", bent), *_foreign_records_are_replaced()]


def _released_before_the_kernel_is_empty() -> list[Patch]:
    original = Owner.give_up

    def bent(self: Owner, lease: Lease, now: int, reason: Any, *, successor: str | None = None) -> None:
        original(self, lease, now, reason, successor=successor)
        self.emptied(lease, now)

    return [(Owner, "give_up", bent)]


def _kernel_deadline_from_now() -> list[Patch]:
    original = Owner.acknowledged

    def bent(self: Owner, voter: str, renewal: Renewal, positions: int, now: int) -> None:
        original(self, voter, renewal, positions, now)
        for lease in self._leases.values():
            if lease.own is not None:
                lease.own.kernel = now + self._site.timings.dead_after

    return [(Owner, "acknowledged", bent)]


def _clocks_are_trusted() -> list[Patch]:
    return [(Timings, "lease", property(lambda self: self.dead_after))]


def _records_are_not_persisted() -> list[Patch]:
    original = boot.recall

    def bent(**given: Any) -> Any:
        found = original(**given)
        found.voter.votes.clear()
        return found

    return [(boot, "recall", bent)]


def _adopted_whatever_the_time() -> list[Patch]:
    original = Owner._keep

    def keep(self: Owner, lease: Lease, owned: Owned, now: int) -> None:
        original(self, lease, Owned(owned.ballot, max(owned.end, now + self._site.timings.lease)), now)

    return [(Owner, "_adoptable", lambda *_: True), (Owner, "_keep", keep)]


def _abandoned_while_adopted_is_released() -> list[Patch]:
    def bent(self: Proposer, lease: Lease, now: int) -> None:
        attempt, lease.attempt = lease.attempt, None
        if attempt is not None and attempt.accepting:
            self.release(lease, lease.ballots(), None, now)
            lease.litter = ()

    return [(Proposer, "abandon", bent)]


def _old_datagrams_count_again() -> list[Patch]:
    original = Peer.receive

    def bent(self: Peer, message: Message, **rest: Any) -> Verdict:
        for slot in (self.current, self.candidate):
            if slot is not None and slot.session == message.session:
                slot.sequence = min(slot.sequence, message.sequence - 1)
        return original(self, message, **rest)

    def release(self: Voter, group: int, ballot: Ballot, now: int) -> bool:
        vote = self._vote(group, now)
        exact = vote.record is not None and vote.record.ballot == ballot
        vote.record = None if exact else vote.record
        return exact

    return [(Peer, "receive", bent), (Voter, "release", release), (Hearing, "_remember", lambda *_: None)]


def _never_fails_back() -> list[Patch]:
    return [(Placement, "move", lambda *_: None)]


def _goodbye_while_holding() -> list[Patch]:
    return [(Steering, "leaving", lambda self: self.stopping and not self._in_place)]


def _leftovers_are_ignored() -> list[Patch]:
    def bent(self: Owner, lease: Lease, owned: Any, held: bool, now: int) -> None:
        return None

    return [(Owner, "_let_go", bent), (boot, "_silent_until", lambda *_: 0)]


def _holder_votes_for_others() -> list[Patch]:
    return [(Owner, "busy", lambda *_: None), *_foreign_records_are_replaced()]


def _promises_are_forgotten() -> list[Patch]:
    def bent(self: Voter, ask: Prepare | Accept, now: int, busy: int | None) -> None:
        return None

    return [(Voter, "_refusal", bent)]


def _dead_after_receipt() -> list[Patch]:
    """Tells nobody apart: the record lives half as long as the owner believes."""

    def bent(self: Voter, ask: Accept, now: int, *, busy: int | None) -> Any:
        answer = original(self, ask, now, busy=busy)
        vote = self.votes[ask.group]
        if vote.record is not None and vote.record.ballot == ask.ballot:
            vote.record = Record(ask.ballot, now + self._dead_after // 2)
        return answer

    original = Voter.accept
    return [(Voter, "accept", bent)]


def _grants_count_from_receipt() -> list[Patch]:
    original = Hearing._released

    def bent(self: Hearing, peer: Peer, item: Release, now: int) -> None:
        original(self, peer, item, now)
        lease = self._leases.get(item.group)
        if lease is not None and lease.granted is not None:
            lease.granted = replace(lease.granted, asked=now)

    return [(Hearing, "_released", bent)]


def _grants_for_what_lives() -> list[Patch]:
    """The releaser's voter votes for its successor whatever it has promised, and the grant travels too early."""

    def bent(self: Voter, group: int, node: int, incarnation: int, now: int) -> Ballot:
        vote = self._vote(group, now)
        vote.promised = ballot = Ballot(self.next_round(), incarnation, node)
        vote.record = Record(ballot, now + self._dead_after)
        return ballot

    return [(Voter, "grant", bent), *_released_before_the_kernel_is_empty()]


def _grants_are_not_kept() -> list[Patch]:
    """The releaser's voter says that it has voted for its successor, and has not."""

    def bent(self: Voter, group: int, node: int, incarnation: int, now: int) -> Ballot:
        return Ballot(self.next_round(), incarnation, node)

    return [(Voter, "grant", bent)]


def _any_grant_is_new() -> list[Patch]:
    return [(Proposer, "usable", lambda *_: True)]


def _off_is_kept_over_a_reboot() -> list[Patch]:
    original = boot.recall

    def bent(*, volatile: bytes | None, **rest: Any) -> Any:
        found = original(volatile=volatile, **rest)
        lost.setdefault(rest["me"], {}).update(found.voter.fallen.dead)
        found.voter.fallen.dead.update(lost[rest["me"]])
        lost[rest["me"]] = found.voter.fallen.dead
        return found

    lost: dict[str, dict[int, int]] = {}
    return [(boot, "recall", bent)]


def _off_is_kept_over_a_goodbye() -> list[Patch]:
    return [(Fallen, "clear", lambda _: None)]


def _off_is_kept_over_a_vote() -> list[Patch]:
    def heard(self: Fallen, node: int, incarnation: int, *, proven: bool) -> None:
        self.seen[node] = incarnation

    return [(Fallen, "end", lambda *_: False), (Fallen, "heard", heard)]


def _silent_is_off() -> list[Patch]:
    original = Quorum.reached

    def bent(self: Quorum, votes: Any, now: int) -> bool:
        silent = self._config.fencing and not any(peer.alive(now) for peer in self._peers.values())
        return original(self, votes, now) or silent

    return [(Quorum, "reached", bent), (Fencing, "blocks", lambda *_: "")]


def _late_words_count() -> list[Patch]:
    """A device's word about an earlier life counts for the present one."""

    def bent(self: Fallen, node: int, incarnation: int, now: int) -> bool:
        self.dead[node] = max(incarnation, self.seen.get(node, 0))
        self.changed = True
        return True

    return [(Fallen, "confirm", bent)]


def _files_change_voters() -> list[Patch]:
    """Whoever reads the new document runs it, and agrees with whoever has read it, too."""
    original = Machine._wish_for

    def bent(self: Machine, event: Reconfigure) -> None:
        original(self, event)
        wanted, config = self._council.wanted, self._site.config
        timings = replace(config.timings, interval=wanted.interval, dead_after=wanted.dead_after)
        self._site.config = replace(config, voters=wanted.voters, timings=timings)
        self._voter.lives_for(wanted.dead_after)

    return [
        (Machine, "_wish_for", bent),
        (boot, "_bound", lambda *_: False),
        (Council, "look", lambda *_, **__: None),
        (Council, "teach", lambda *_: None),
    ]


def _several_steps_at_once() -> list[Patch]:
    def leap(config: CoreConfig, aim: Wanted) -> list[Charter]:
        now = charters.of(config)
        there = replace(now, voters=charters.tags(aim.voters), interval=aim.interval, dead_after=aim.dead_after)
        if there == now:
            return []
        return [
            replace(there, epoch=now.epoch + 1, parent=config.id, elders=now.voters, before=now.dead_after),
        ]

    return [(charters, "steps", leap), (charters, "follows", lambda *_: True)]


def _the_former_charter_is_not_waited_for() -> list[Patch]:
    return [(Council, "_over_at", lambda _: 0)]


def _charters_are_not_persisted() -> list[Patch]:
    """Who runs the next charter votes under the former one again after a restart, and nobody tells it otherwise."""
    original = Council.adopt

    def bent(self: Council, charter: Charter, now: int, *, source: str) -> None:
        before = self.changed
        original(self, charter, now, source=source)
        self.changed = before

    return [(Council, "adopt", bent), *_the_former_charter_is_not_waited_for()]


def _what_was_accepted_is_forgotten() -> list[Patch]:
    """Two children of one charter: a voter accepts whatever comes, and says that it has accepted nothing before."""

    def bent(self: Council, motion: Motion, now: int) -> Motion:
        return Motion(Stage.PROMISE if motion.stage is Stage.ASK else Stage.ACCEPTED, motion.ballot)

    return [(Council, "_answer", bent), *_the_former_charter_is_not_waited_for()]


def _records_shrink() -> list[Patch]:
    return [(Voter, "_recorded", lambda self, _vote, ballot, now: Record(ballot, now + self._dead_after))]


def _acks_count_under_new_timings() -> list[Patch]:
    original = Owner.acknowledged

    def bent(self: Owner, voter: str, renewal: Renewal, positions: int, now: int) -> None:
        renewal.lease = self._site.timings.lease
        original(self, voter, renewal, positions, now)

    return [(Owner, "acknowledged", bent)]


def _any_charter_is_accepted() -> list[Patch]:
    return [(charters, "follows", lambda *_: True)]


def _votes_of_other_charters_count() -> list[Patch]:
    """Lease messages are answered and counted whatever config they name."""
    original = Hearing._fresh

    def bent(self: Hearing, peer: Peer, message: Message, echo: Any, now: int) -> None:
        original(self, peer, message._replace(config=self._site.config.id), echo, now)

    return [(Hearing, "_fresh", bent)]


def _silence_is_of_now() -> list[Patch]:
    original = boot._silent_until

    def bent(config: CoreConfig, *rest: Any) -> int:
        return original(replace(config, before=0), *rest)

    return [(boot, "_silent_until", bent)]


def _the_accepted_decides_alone() -> list[Patch]:
    return [(Choice, "begun", lambda *_: None)]


def _what_has_no_end_gets_none() -> list[Patch]:
    return [(Owner, "bind", lambda *_: None)]


def _whatever_it_holds_it_accepts() -> list[Patch]:
    return [(Owner, "covered", lambda *_: True)]


def _the_kernel_is_told_more_than_is_voted_for() -> list[Patch]:
    return [(Owner, "_unanswered", property(lambda self: 2 * self._site.timings.dead_after))]


def _alone_before_the_majority_is_over() -> list[Patch]:
    return [(charters, "unsettled", lambda *_: False)]


def _the_proposer_accepts_first() -> list[Patch]:
    original = Council._propose

    def bent(self: Council, proposal: Proposal, now: int) -> None:
        original(self, proposal, now)
        self._answer(Motion(Stage.PROPOSE, proposal.ballot, charter=proposal.charter), now)

    return [(Council, "_propose", bent)]


def _what_was_begun_is_dropped() -> list[Patch]:
    return [(Council, "_reached", property(lambda self: charters.wanted(self._site.config) == self.wanted))]


def _no_silence_for_two() -> list[Patch]:
    original = boot._silent_until

    def bent(config: CoreConfig, *rest: Any) -> int:
        return 0 if config.endless else original(config, *rest)

    return [(boot, "_silent_until", bent)]


def _a_file_makes_one_of_several_alone() -> list[Patch]:
    original = boot._bound
    return [(boot, "_bound", lambda config, lasting: not config.lone and original(config, lasting))]


def _what_was_held_alone_ends_never() -> list[Patch]:
    return [(Owner, "cover", lambda *_: None), (Owner, "bind", lambda *_: None)]


def _what_was_held_alone_counts_as_voted_for() -> list[Patch]:
    original = Owner.cover

    def bent(self: Owner, now: int) -> None:
        original(self, now)
        for lease in self._leases.values():
            if lease.own is not None:
                lease.own.adopted = False

    return [(Owner, "cover", bent)]


def _new_nodes_take_what_others_hold() -> list[Patch]:
    return [(Hearing, "_holds_elsewhere", lambda *_: None)]


def _who_leaves_is_forgotten() -> list[Patch]:
    return [(Membership, "_former", lambda *_: ())]


def _none_gives_way() -> list[Patch]:
    return [(Turnout, "outranks", lambda self, charter, _: charter.epoch > self._site.config.epoch)]


def _who_tolerated_two_keeps_what_the_other_may_hold() -> list[Patch]:
    return [(Owner, "renounce", lambda *_, **__: None)]


def _one_step_from_three_to_one() -> list[Patch]:
    """No rule that a charter differs in one voter, where it leads to one."""
    original, follows = charters.steps, charters.follows

    def bent(config: CoreConfig, aim: Wanted) -> list[Charter]:
        found = original(config, aim)
        aimed = charters.tags(aim.voters)
        return [replace(found[0], voters=aimed)] if found and len(aimed) == 1 else found

    def lax(config: CoreConfig, charter: Charter) -> bool:
        return follows(config, charter) or (len(charter.voters) == 1 and charter.parent == config.id)

    return [(charters, "steps", bent), (charters, "follows", lax)]


MUTANTS = (
    Mutant(
        "a file makes one of several alone",
        "29",
        _a_file_makes_one_of_several_alone,
        case=partial(test_singles.test_a_document_with_one_node_does_not_make_one_of_several_decide_alone, three()),
    ),
    Mutant("what was held alone never ends", "29", _what_was_held_alone_ends_never, profile="singles"),
    Mutant(
        "what was held alone counts as voted for",
        "29",
        _what_was_held_alone_counts_as_voted_for,
        case=test_singles.test_what_one_held_alone_is_voted_for_by_those_who_had_promised_more_before,
    ),
    Mutant(
        "new nodes take what others hold",
        "29",
        _new_nodes_take_what_others_hold,
        case=test_council.test_new_nodes_found_nothing_beside_those_who_hold_what_they_would_take,
    ),
    Mutant(
        "who leaves is forgotten",
        "29",
        _who_leaves_is_forgotten,
        case=test_singles.test_of_two_the_one_that_leaves_is_told_also_after_a_restart_of_the_other,
    ),
    Mutant(
        "of two that were founded apart none gives way",
        "29",
        _none_gives_way,
        case=test_singles.test_two_that_were_founded_apart_become_one_cluster,
    ),
    Mutant(
        "who tolerated two keeps what the other may hold",
        "29, 28",
        _who_tolerated_two_keeps_what_the_other_may_hold,
        case=test_policies.test_who_learns_that_two_are_not_tolerated_any_more_gives_up_what_has_no_vote_of_the_other,
    ),
    Mutant("one step from three voters to one", "29", _one_step_from_three_to_one, profile="singles"),
    Mutant(
        "who has accepted a majority decides alone",
        "29, 26",
        _the_accepted_decides_alone,
        case=test_policies.test_who_has_accepted_a_majority_takes_nothing_alone_any_more,
    ),
    Mutant(
        "a lease without end gets none",
        "29, 26",
        _what_has_no_end_gets_none,
        case=test_policies.test_what_the_acceptor_holds_ends_when_nobody_votes_for_it_any_more,
    ),
    Mutant(
        "a voter accepts whatever it holds",
        "29, 26",
        _whatever_it_holds_it_accepts,
        case=test_policies.test_a_voter_accepts_a_majority_only_when_the_other_votes_for_all_it_holds,
    ),
    Mutant(
        "the kernel is told more than is voted for",
        "29, 26",
        _the_kernel_is_told_more_than_is_voted_for,
        case=test_policies.test_the_kernel_is_told_no_more_than_the_other_votes_for_while_it_does,
    ),
    Mutant(
        "one of two decides before the majority is over",
        "29, 26",
        _alone_before_the_majority_is_over,
        case=test_policies.test_nobody_takes_alone_before_the_majority_before_is_over,
    ),
    Mutant(
        "the proposer accepts first",
        "29",
        _the_proposer_accepts_first,
        case=test_policies.test_the_proposer_is_never_in_doubt,
    ),
    Mutant(
        "what was begun is dropped with the document",
        "29",
        _what_was_begun_is_dropped,
        case=test_policies.test_what_was_accepted_is_seen_through_even_when_the_document_goes_back,
    ),
    Mutant(
        "two forget their silence when they become three",
        "29, 12",
        _no_silence_for_two,
        case=test_policies.test_a_voter_that_forgot_its_votes_keeps_silent_when_a_majority_begins_to_decide,
    ),
    Mutant(
        "voters are changed by files alone",
        "29",
        _files_change_voters,
        case=test_council.test_hole_35_a_restart_with_another_document_changes_no_voter,
    ),
    Mutant(
        "several steps at once",
        "29",
        _several_steps_at_once,
        case=test_council.test_voters_that_know_of_different_steps_never_hold_a_group_twice,
    ),
    Mutant(
        "the former charter is not waited for",
        "29",
        _the_former_charter_is_not_waited_for,
        case=test_council.test_two_voters_more_are_two_steps_with_time_for_the_leases_between_them,
    ),
    Mutant(
        "charters are not persisted",
        "29",
        _charters_are_not_persisted,
        case=test_council.test_who_runs_the_next_charter_runs_it_after_a_restart_whatever_its_document_says,
    ),
    Mutant(
        "what was accepted is forgotten",
        "29",
        _what_was_accepted_is_forgotten,
        case=test_council.test_what_a_voter_has_accepted_is_what_everybody_proposes_from_then_on,
    ),
    Mutant(
        "a voter accepts any charter",
        "29",
        _any_charter_is_accepted,
        case=test_council.test_a_voter_accepts_one_step_and_nothing_more,
    ),
    Mutant(
        "votes count whatever charter their voter runs",
        "29",
        _votes_of_other_charters_count,
        case=test_council.test_who_runs_the_next_charter_answers_nobody_under_the_former,
    ),
    Mutant(
        "records shrink with deadAfter",
        "29, 9",
        _records_shrink,
        case=test_council.test_hole_36_a_shorter_dead_after_shortens_no_record_that_is_counted_on,
    ),
    Mutant(
        "acks count under new timings",
        "29",
        _acks_count_under_new_timings,
        case=test_council.test_hole_36_an_ack_extends_a_lease_by_what_its_voter_has_recorded,
    ),
    Mutant(
        "silence covers only the present deadAfter",
        "29, 12",
        _silence_is_of_now,
        case=test_council.test_hole_36_a_voter_that_forgot_its_records_is_silent_for_the_longer_dead_after,
    ),
    Mutant("a restarted voter is never silent", "12", _no_silence, "boots"),
    Mutant("a second restart ends the silence", "12", _silence_ends_with_a_restart, "boots"),
    Mutant(
        "the lease counts from the accept quorum",
        "15",
        _timer_starts_at_the_quorum,
        case=test_holes.test_hole_1_a_lease_counts_from_the_moment_prepare_was_sent,
    ),
    Mutant("a renewal counts from its ack", "18", _renewed_from_receipt),
    Mutant(
        "what is not fresh counts",
        "5",
        _stale_counts_as_fresh,
        case=test_holes.test_hole_1_what_is_read_too_late_is_not_voted_on,
    ),
    Mutant("half of the voters are a quorum", "majority", _half_is_enough),
    Mutant(
        "votes of nodes without a vote count",
        "majority",
        _everybody_votes,
        case=test_large.test_without_most_voters_nothing_is_held_however_many_others_are_alive,
    ),
    Mutant("votes are counted, not voters", "16", _votes_are_not_distinct),
    Mutant("a voter replaces a foreign record, says nothing", "7, 16", _foreign_records_are_replaced),
    Mutant("a renewal replaces a foreign record", "7, 10, 16", _renewal_replaces_records),
    Mutant("released before the kernel is empty", "20", _released_before_the_kernel_is_empty, "moves"),
    Mutant("the kernel's deadline counts from now", "19", _kernel_deadline_from_now),
    Mutant(
        "clocks are trusted",
        "D_P",
        _clocks_are_trusted,
        case=partial(test_config.test_a_lease_ends_before_its_records_whatever_the_clocks_do, 3000),
    ),
    Mutant("records are not persisted", "13", _records_are_not_persisted, "restarts"),
    Mutant("a lease is adopted whatever the time", "14", _adopted_whatever_the_time, "generic"),
    Mutant(
        "an attempt over an adopted lease is released",
        "14",
        _abandoned_while_adopted_is_released,
        case=test_holes.test_an_attempt_over_an_adopted_lease_is_not_released_when_it_fails,
    ),
    Mutant(
        "old datagrams count, releases promise nothing",
        "5, 11",
        _old_datagrams_count_again,
        case=test_holes.test_hole_24_contents_count_only_from_increasing_sequence_numbers,
    ),
    Mutant("nothing fails back", "23", _never_fails_back),
    Mutant("goodbye while still holding", "20", _goodbye_while_holding, "generic"),
    Mutant("a start ignores what the kernel holds (with 12)", "14", _leftovers_are_ignored, "restarts"),
    Mutant("a holder votes for others", "7, 8, 16", _holder_votes_for_others),
    Mutant("a voter refuses nothing", "8", _promises_are_forgotten),
    Mutant("a voter forgets early", "9", _dead_after_receipt),
    Mutant(
        "a grant counts from its receipt",
        "20a",
        _grants_count_from_receipt,
        case=test_grants.test_the_lease_counts_from_when_the_successor_sent_what_the_releaser_had_heard,
    ),
    Mutant("a grant before the kernel is empty", "20, 20a", _grants_for_what_lives, "moves"),
    Mutant("a grant is not taken down", "20a", _grants_are_not_kept, "moves"),
    Mutant("off is kept over a reboot", "26", _off_is_kept_over_a_reboot, "duels", 1000),
    Mutant(
        "off is kept over a goodbye",
        "26",
        _off_is_kept_over_a_goodbye,
        case=test_fencing.test_a_goodbye_ends_what_was_known_before_it_is_said,
    ),
    Mutant("off is kept over a vote", "26", _off_is_kept_over_a_vote, "duels", 1000),
    Mutant("a silent peer counts as off", "26", _silent_is_off, "fence"),
    Mutant(
        "a late word counts for a new life",
        "26",
        _late_words_count,
        case=test_fencing.test_a_word_about_an_earlier_life_is_void,
    ),
    Mutant("any grant is new", "20a", _any_grant_is_new, case=test_grants.test_a_grant_is_used_once),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="part of a name")
    only = parser.parse_args().only
    planted = [mutant for mutant in MUTANTS if only is None or only in mutant.name]
    found = 0
    for mutant in planted:
        result = mutant.hunt()
        found += result is not None
        print(f"rule {mutant.rule:9} {mutant.name:50} {result or 'NOT FOUND'}", flush=True)
    print(f"planted={len(planted)} found={found}")
    return 0 if found == len(planted) else 1


if __name__ == "__main__":
    sys.exit(main())
