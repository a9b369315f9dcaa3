"""How voters agree on who votes next, by which policy, and how long a vote binds (rule 29).

The child of a charter is one value that a majority of its voters agree on by Paxos, with ballots and answers that are
on disk before they are given: whoever proposes, however often, only one child ever comes out. Whoever learns it runs
it at once, for good, and tells everybody who runs another. The grandchild is proposed only when the charter before is
over: when most of its voters are seen to run the child, and twice the longer deadAfter has passed since, so that no
lease that was counted under it lives. So of all charters in use any two are neighbours, whose majorities meet.

Under ``fence`` one of two may decide alone, and no majority meets that. So nobody does any more who has accepted a
child with a majority, and sees it through; and nobody does yet under a child of a majority before that is over. The
proposer accepts last, in the moment in which it learns: so it is never in doubt itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vedette.cluster import charter as charters
from vedette.cluster.ballot import NOTHING, Ballot
from vedette.cluster.charter import Charter, Wanted
from vedette.cluster.config import STAGGER, CoreConfig, tag
from vedette.cluster.events import What
from vedette.cluster.leases import Lease
from vedette.cluster.messages import Motion, Stage, Teach
from vedette.cluster.outbox import Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer
from vedette.cluster.proposer import Proposer
from vedette.cluster.site import Site
from vedette.cluster.voter import Voter
from vedette.kit.units import SECOND, show

UNHEARD = "waits for a majority of the present voters to be heard (if they are off for good: vedette force-config)"
FORCED = 1000
"""A forced charter is so much newer: more steps than voters that are believed to be off can have taken since."""
FORCED_PARENT = bytes(8)
"""It is nobody's child."""


@dataclass(slots=True)
class Choice:
    """What this voter has promised and accepted about the child of the charter that it runs.

    ``firm``: the charter is what the cluster runs, not only what this node's document says. ``met``: some other node
    was heard under it, however it came, so that others may count on what this one said. ``solo``: neither it nor any
    before it has had another voter. ``settled``: the charter before is over, where that matters to what this one
    allows.
    """

    promised: Ballot = NOTHING
    accepted: tuple[Ballot, Charter] | None = None
    firm: bool = False
    settled: bool = True
    met: bool = False
    solo: bool = False

    @property
    def binds(self) -> bool:
        """Whether anybody may count on this node's running the charter that it runs."""
        return self.firm or self.met or self.promised != NOTHING or self.accepted is not None

    def begun(self, config: CoreConfig) -> Charter | None:
        """A child that this voter has accepted and that binds it before it knows whether it was decided."""
        charter = self.accepted[1] if self.accepted is not None else None
        return charter if charter is not None and charters.binds(config, charter) else None

    def restrain(self, config: CoreConfig) -> CoreConfig:
        """The config, of which nobody decides alone before it is clear who else may."""
        early = not self.settled and charters.unsettled(charters.of(config))
        unfounded = config.fencing and not self.firm
        return replace(config, strict=early or unfounded or self.begun(config) is not None)


@dataclass(slots=True)
class Proposal:
    """One try of this node. ``best`` is what somebody has accepted already: it must be proposed instead."""

    ballot: Ballot
    charter: Charter
    void_at: int
    promised: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    best: Ballot | None = None
    proposed: bool = False


class Council:
    """``wanted`` is what the document says; ``changed`` is set by what must be on disk before anything is sent."""

    def __init__(
        self,
        *,
        site: Site,
        peers: Mapping[str, Peer],
        leases: Mapping[int, Lease],
        voter: Voter,
        outbox: Outbox,
        proposer: Proposer,
        owner: Owner,
        choice: Choice,
        wanted: Wanted,
    ) -> None:
        self._site, self._peers, self._leases, self._voter = site, peers, leases, voter
        self._outbox, self._proposer, self._owner = outbox, proposer, owner
        self.choice, self.wanted = choice, wanted
        self.changed = False
        self._proposal: Proposal | None = None
        self._back_off = 0
        self._moved_at: int | None = None
        choice.solo = choice.solo or (site.alone and not site.config.epoch)
        site.solo = choice.solo

    # Every call

    def look(self, now: int, *, digest: bytes, stopping: bool) -> None:
        """Propose the next step towards the document, when it is this node's turn and nothing stands against it.

        ``digest``: of this node's document, as it goes on the wire.
        """
        self._settle(now)
        if not self.choice.firm:
            self._found(now)
        if self._proposal is not None and now >= self._proposal.void_at:
            self._retreat(now)
        if self._reached or self._proposal is not None or stopping or now < self._back_off:
            return
        if not self.obstacle(now, digest=digest):
            self._begin(self._begun or self._possible(now)[0], now)

    def obstacle(self, now: int, *, digest: bytes) -> str:
        """Why this node does not propose a charter now; empty when nothing stands against it."""
        config = self._site.config
        if not self._enough(config, self._running(now)):
            return UNHEARD
        if not self.choice.firm:
            return "waits for the end of this node's silence"
        if self._begun is not None:
            return ""
        aimed = charters.steps(config, self.wanted)
        deciding = [name for name in config.voters if self._site.listed(name) and name in self._running(now)]
        there = [peer for peer in self._peers.values() if peer.alive(now) and self._site.listed(peer.name)]
        differing = [peer.name for peer in there if peer.digest != digest]
        over = self._over_at()
        checks = (
            (not aimed, "nothing is to be changed"),
            (not self._site.votes, "the voters decide"),
            (self._site.silent(now), "this node keeps silent after its start"),
            (bool(differing), f"waits for {', '.join(differing)} to have the same document"),
            (not self._possible(now), "waits for a majority of the voters that there would be"),
            (bool(self._in_the_way(now)), f"waits for {', '.join(self._in_the_way(now))} to hold nothing any more"),
            (over is None, "waits until most of the voters before know of the last step"),
            (over is not None and now < over, "waits for the leases of the last step to end"),
            (deciding[:1] != [self._site.me], "another voter proposes it"),
        )
        return next((words for stands, words in checks if stands), "")

    def next_at(self) -> list[int]:
        """When something is due although nothing has been heard."""
        if self._reached and self.choice.settled:
            return []
        times = [self._back_off, self._over_at() or 0]
        return [*times, self._proposal.void_at] if self._proposal is not None else times

    @property
    def _reached(self) -> bool:
        """Everything that the document wants is in force, and nothing else was begun."""
        return self._begun is None and charters.wanted(self._site.config) == self.wanted

    @property
    def _begun(self) -> Charter | None:
        return self.choice.begun(self._site.config)

    def pending(self, now: int) -> str:
        """What the document changes that the voters have not agreed on, in words; empty when there is nothing."""
        config = self._site.config
        words = differences(charters.wanted(config), self.wanted)
        if not words and self._begun is not None:
            return "a step that was begun is seen through"
        if not words and not self.choice.firm:
            return "most of the voters have not begun together yet"
        if not words and not self._enough(config, self._running(now)):
            voters = [peer for peer in self._peers.values() if peer.name in config.voters and peer.alive(now)]
            others = sorted(peer.name for peer in voters if peer.config != config.id)
            words = f"{', '.join(others)} keeps to something else" if others else ""
        return words

    # What is heard

    def meet(self) -> None:
        """Another node was heard. It is on disk before anything that the other could take for an answer is said."""
        if not self.choice.met:
            self.choice.met = self.changed = True

    def hear(self, peer: Peer, motion: Motion, now: int) -> None:
        """A word of a node that runs the same charter."""
        match motion.stage:
            case Stage.ASK | Stage.PROPOSE:
                asker = motion.ballot.node == peer.tag and peer.name in self._site.config.voters
                if asker and self._site.votes and not self._site.silent(now):
                    self._outbox.answer(peer.name, self._answer(motion, now))
            case Stage.PROMISE | Stage.ACCEPTED | Stage.REFUSED:
                self._answered(peer, motion, now)

    def taught(self, peer: Peer, teach: Teach, now: int) -> None:
        """The charter that a node runs which runs another than this one."""
        if teach.firm and (not self.choice.firm or self._outranked(teach.charter, now)):
            self.adopt(teach.charter, now, source=peer.name)

    def _outranked(self, charter: Charter, now: int) -> bool:
        """Whether what another runs is what this node is to run: what is newer, unless they were founded apart.

        Who has always been alone gives way when enough of the other's voters are there; of two lone ones of one age the
        one with the higher tag does. Several that are enough for what they run do not give way to one, but to their
        own child, or to what has come of a person's word.
        """
        config = self._site.config
        other = charters.apply(config, charter, known=self._peers)
        newer, child = charter.epoch > config.epoch, charter.parent == config.id
        if config.lone and other.lone:
            return newer or (charter.epoch == config.epoch and charter.voters < charters.tags(config.voters))
        if self._site.solitary and not child:
            alive = {peer.name for peer in self._peers.values() if peer.config == other.id and peer.alive(now)}
            return self._enough(other, {self._site.me} | alive)
        forced = charter.epoch // FORCED > config.epoch // FORCED
        if other.lone and not (child or forced):
            return newer and not self._enough(config, self._running(now))
        return newer

    def teach(self, peer: Peer, now: int) -> None:
        """Tell a node that runs another config what this one runs."""
        due = peer.advised is None or now - peer.advised >= self._site.timings.interval
        if self.choice.firm and due:
            peer.advised = now
            self._outbox.answer(peer.name, self._lesson())

    def adopt(self, charter: Charter, now: int, *, source: str) -> None:
        """Run it from now on, for good. What was begun under another ends; what is owned goes on being renewed."""
        config = charters.apply(self._site.config, charter, known=self._peers)
        if config.id == self._site.config.id:
            return
        self._end_attempts(now)
        words = differences(charters.wanted(self._site.config), charters.wanted(config))
        solo = self.choice.solo and config.voters == (self._site.me,) and charter.parent == self._site.config.id
        self.choice = Choice(firm=True, settled=not charters.unsettled(charter), met=True, solo=solo)
        self._site.solo = solo
        self._site.founded = True
        self._proposal, self._moved_at = None, None
        self._voter.lives_for(config.timings.dead_after)
        self._outbox.remember_for(max(config.timings.dead_after, config.before))
        self._run(config, now)
        self._site.note(What.CONFIG_CHANGED, node=source, detail=f"step {config.epoch}: {words}")
        self._outbox.announce(self._lesson())

    def _run(self, config: CoreConfig, now: int) -> None:
        """Keep to this config, as far as what was agreed to allows; leases end, or do not, as it says."""
        before, alone = self._site.config, self._site.alone
        self._site.config = self.choice.restrain(config)
        child = config.parent == before.id
        if alone and not self._site.alone and child:
            self._owner.cover(now)
        elif before.id != config.id and not child and (alone or (config.lone and not self._site.alone)):
            self._owner.renounce(now, alone=True)
        elif before.id != config.id and self._site.endless and (not child or before.tolerant):
            self._owner.renounce(now, alone=False)
        if not config.fencing:
            self._voter.fallen.clear()
        if self._site.endless and self._site.votes:
            self._owner.unbind()
        else:
            self._owner.bind(now)
        self.changed = True

    def _end_attempts(self, now: int) -> None:
        for lease in self._leases.values():
            self._proposer.abandon(lease, now)
            self._proposer.decline(lease, now)

    def force(self, author: str, now: int) -> None:
        """Run what the document wants, on a person's word that most of the present voters are off for good."""
        config = self._site.config
        present = charters.of(config)
        forced = Charter(
            epoch=present.epoch + FORCED,
            parent=FORCED_PARENT,
            voters=charters.tags(self.wanted.voters),
            interval=self.wanted.interval,
            dead_after=self.wanted.dead_after,
            elders=present.voters,
            before=present.dead_after,
            rule=self.wanted.rule,
        )
        if self.pending(now):
            self._site.note(What.CONFIG_FORCED, detail=author)
            self.adopt(forced, now, source=self._site.me)

    # Deciding

    def _answer(self, motion: Motion, now: int) -> Motion:
        """The acceptor. What it says is on disk before it is sent.

        What binds is accepted only when most voters' records cover all that this node holds: so nothing is lost by it.
        """
        choice = self.choice
        if motion.ballot < choice.promised:
            return Motion(Stage.REFUSED, motion.ballot, choice.promised)
        if motion.stage is Stage.ASK:
            choice.promised, self.changed = motion.ballot, True
            ballot, charter = choice.accepted if choice.accepted is not None else (None, None)
            return Motion(Stage.PROMISE, motion.ballot, ballot, charter)
        config, charter = self._site.config, motion.charter
        refusal = Motion(Stage.REFUSED, motion.ballot, choice.promised)
        if charter is None or not charters.follows(config, charter):
            return refusal
        binding = charters.binds(config, charter)
        if binding and not self._owner.covered(now):
            return refusal
        choice.promised, choice.accepted = motion.ballot, (motion.ballot, charter)
        self.changed = True
        if binding:
            self._end_attempts(now)
            self._run(config, now)
            self._back_off = now + self._patience  # whoever proposes it sees it through, if it can
        return Motion(Stage.ACCEPTED, motion.ballot)

    @property
    def _patience(self) -> int:
        """How long (ns) a proposal may take."""
        return max(SECOND // 2, self._site.timings.attempt)

    def _begin(self, charter: Charter, now: int) -> None:
        self._voter.saw(self.choice.promised)
        ballot = Ballot(self._voter.next_round(), self._site.incarnation, self._site.tag)
        self._proposal = Proposal(ballot, charter, now + self._patience)
        ask = Motion(Stage.ASK, ballot)
        self._outbox.broadcast(ask)
        self._answered_by(self._site.me, self._answer(ask, now), now)

    def _answered(self, peer: Peer, motion: Motion, now: int) -> None:
        if motion.accepted is not None:
            self._voter.saw(motion.accepted)
        if peer.name in self._site.config.voters:
            self._answered_by(peer.name, motion, now)

    def _answered_by(self, name: str, motion: Motion, now: int) -> None:
        proposal = self._proposal
        if proposal is None or proposal.ballot != motion.ballot or now >= proposal.void_at:
            return
        match motion.stage:
            case Stage.PROMISE if not proposal.proposed:
                proposal.promised.add(name)
                earlier = motion.accepted is not None and (proposal.best is None or motion.accepted > proposal.best)
                if earlier and motion.charter is not None:
                    proposal.best, proposal.charter = motion.accepted, motion.charter
                if self._enough(self._site.config, proposal.promised):
                    self._propose(proposal, now)
            case Stage.ACCEPTED if proposal.proposed:
                proposal.accepted.add(name)
                if self._enough(self._site.config, proposal.accepted | {self._site.me}):
                    self._conclude(proposal, now)
            case Stage.REFUSED:
                self._retreat(now)
            case _:
                pass

    def _propose(self, proposal: Proposal, now: int) -> None:
        proposal.proposed = True
        if self._site.alone:
            self._conclude(proposal, now)
        else:
            self._outbox.broadcast(Motion(Stage.PROPOSE, proposal.ballot, charter=proposal.charter))

    def _conclude(self, proposal: Proposal, now: int) -> None:
        """Accept it too, as the last that is needed: then it is decided, and this node knows."""
        answer = self._answer(Motion(Stage.PROPOSE, proposal.ballot, charter=proposal.charter), now)
        if answer.stage is Stage.ACCEPTED:
            self.adopt(proposal.charter, now, source=self._site.me)
        else:
            self._retreat(now)

    def _retreat(self, now: int) -> None:
        self._proposal = None
        self._back_off = now + self._site.random.randrange(10 * STAGGER, 40 * STAGGER)

    # When

    def _found(self, now: int) -> None:
        """Take the document for what the cluster runs, once most voters do and would have heard of anything else.

        Of two that tolerate each other, one that was left alone does not wait for the other. Before any other node
        was heard another document is simply taken, as a restart would.
        """
        config = self._site.config
        waits = now < max(self._site.silent_until, self._site.elsewhere) and not self._site.endless
        left = config.tolerant and any(lease.own is not None for lease in self._leases.values())
        if left or (not waits and self._enough(config, self._running())):
            self.choice.firm = self.changed = self._site.founded = True
            self._run(config, now)
        elif charters.wanted(config) != self.wanted and not self.choice.binds:
            self._begin_anew(now)

    def _begin_anew(self, now: int) -> None:
        """Run the document's charter as the first one."""
        present, wanted = charters.of(self._site.config), self.wanted
        self._end_attempts(now)
        first = replace(
            present,
            voters=charters.tags(wanted.voters),
            interval=wanted.interval,
            dead_after=wanted.dead_after,
            rule=wanted.rule,
        )
        silence = max(present.dead_after, wanted.dead_after)
        self._site.silent_until = max(self._site.silent_until, now + silence)
        self._voter.lives_for(wanted.dead_after)
        self._outbox.remember_for(silence)
        self._run(charters.apply(self._site.config, first, known=self._peers), now)
        self._voter.changed = True
        self.choice.solo = self._site.solo = self._site.alone

    def _settle(self, now: int) -> None:
        """Note when enough of the voters before were first seen to run this charter, and when theirs is over.

        Enough are most, so that the rest decides nothing any more. Of two, of whom one is left, it is this one: it was
        asked for everything, and the other is gone.
        """
        config = self._site.config
        if self._moved_at is None and config.elders:
            moved = {tag(name) for name in self._running()} & set(config.elders)
            forced = config.parent == FORCED_PARENT  # they are believed to be off
            if len(moved) > len(config.elders) // 2 or (config.lone and moved) or forced:
                self._moved_at = now
        over = self._over_at()
        if not self.choice.settled and over is not None and now >= over:
            self.choice.settled = True
            self._run(self._site.config, now)

    def _over_at(self) -> int | None:
        """When no lease that was counted under the charter before lives any more; ``None``: not known yet."""
        config = self._site.config
        if not config.elders:
            return 0
        longest = max(config.timings.dead_after, config.before)
        return self._moved_at + 2 * longest if self._moved_at is not None else None

    def _possible(self, now: int) -> list[Charter]:
        """Steps after which there is a quorum: of a new voter it must be known that it is there.

        Who is silent leaves first.
        """
        config = self._site.config
        there = {tag(name) for name in self._running(now)}
        aimed = set(charters.tags(self.wanted.voters))
        if config.lone:  # it is better off than two who need each other, and asks them for their votes at once
            there -= {peer.tag for peer in self._peers.values() if peer.silent}
        enough = len(aimed) // 2 + 1 if config.lone else 0
        found = [
            step
            for step in charters.steps(config, self.wanted)
            if set(step.voters) - set(charters.tags(config.voters)) <= there
            and len(there & set(step.voters)) > len(step.voters) // 2
            and len(there & aimed) >= enough
        ]
        return sorted(found, key=lambda step: (-len(there & set(step.voters)), len(step.voters), step.voters))

    def _in_the_way(self, now: int) -> list[str]:
        """Who holds something and would have no vote beside one or two that have: it would lose what it holds."""
        staying = {voter for step in self._possible(now) if len(step.voters) <= charters.PAIR for voter in step.voters}
        holding = [peer for peer in self._peers.values() if peer.alive(now) and (peer.own or peer.holds)]
        return sorted(peer.name for peer in holding if staying and peer.tag not in staying)

    def _running(self, now: int | None = None) -> set[str]:
        """Who was last heard, or (with ``now``) is alive, with the charter that runs here."""
        config = self._site.config
        return {self._site.me} | {
            peer.name for peer in self._peers.values() if peer.config == config.id and (now is None or peer.alive(now))
        }

    def _enough(self, config: CoreConfig, names: set[str]) -> bool:
        return len(names & set(config.voters)) >= config.majority

    def _lesson(self) -> Teach:
        return Teach(charters.of(self._site.config), firm=self.choice.firm)


def differences(before: Wanted, after: Wanted) -> str:
    """What changes, in words."""
    added, gone = sorted(set(after.voters) - set(before.voters)), sorted(set(before.voters) - set(after.voters))
    found = [f"{name} votes" for name in added] + [f"{name} does not vote any more" for name in gone]
    found += [f"splitBrain.policy is {after.rule.policy.value}"] if before.rule.policy is not after.rule.policy else []
    watchdog = before.rule.assume_watchdog is not after.rule.assume_watchdog
    found += ["what is said of watchdogs in splitBrain changes"] if watchdog else []
    found += [f"interval is {show(after.interval)}"] if before.interval != after.interval else []
    found += [f"deadAfter is {show(after.dead_after)}"] if before.dead_after != after.dead_after else []
    return ", ".join(found)
