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
from vedette.cluster.ballot import Ballot
from vedette.cluster.charter import Charter, Wanted
from vedette.cluster.choice import Choice
from vedette.cluster.config import STAGGER, CoreConfig, tag
from vedette.cluster.events import What
from vedette.cluster.leases import Lease
from vedette.cluster.messages import Motion, Stage, Teach
from vedette.cluster.outbox import Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer
from vedette.cluster.proposer import Proposer
from vedette.cluster.site import Site
from vedette.cluster.turnout import Turnout, enough
from vedette.cluster.voter import Voter
from vedette.kit.units import SECOND

UNHEARD = "waits for a majority of the present voters to be heard (if they are off for good: vedette force-config)"


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
        self._turnout = Turnout(site, peers)
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
            self._begin(self._begun or self._turnout.possible(self.wanted, now)[0], now)

    def obstacle(self, now: int, *, digest: bytes) -> str:
        """Why this node does not propose a charter now; empty when nothing stands against it."""
        config = self._site.config
        if not enough(config, self._turnout.running(now)):
            return UNHEARD
        if not self.choice.firm:
            return "waits for the end of this node's silence"
        if self._begun is not None:
            return ""
        aimed = charters.steps(config, self.wanted)
        deciding = [name for name in config.voters if self._site.listed(name) and name in self._turnout.running(now)]
        there = [peer for peer in self._peers.values() if peer.alive(now) and self._site.listed(peer.name)]
        differing = [peer.name for peer in there if peer.digest != digest]
        holding = self._turnout.in_the_way(self.wanted, now)
        over = self._over_at()
        checks = (
            (not aimed, "nothing is to be changed"),
            (not self._site.votes, "the voters decide"),
            (self._site.silent(now), "this node keeps silent after its start"),
            (bool(differing), f"waits for {', '.join(differing)} to have the same document"),
            (not self._turnout.possible(self.wanted, now), "waits for a majority of the voters that there would be"),
            (bool(holding), f"waits for {', '.join(holding)} to hold nothing any more"),
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
        words = charters.differences(charters.wanted(config), self.wanted)
        if not words and self._begun is not None:
            return "a step that was begun is seen through"
        if not words and not self.choice.firm:
            return "most of the voters have not begun together yet"
        if not words and not enough(config, self._turnout.running(now)):
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
        if teach.firm and (not self.choice.firm or self._turnout.outranks(teach.charter, now)):
            self.adopt(teach.charter, now, source=peer.name)

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
        words = charters.differences(charters.wanted(self._site.config), charters.wanted(config))
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
            epoch=present.epoch + charters.FORCED,
            parent=charters.FORCED_PARENT,
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
                if enough(self._site.config, proposal.promised):
                    self._propose(proposal, now)
            case Stage.ACCEPTED if proposal.proposed:
                proposal.accepted.add(name)
                if enough(self._site.config, proposal.accepted | {self._site.me}):
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
        if left or (not waits and enough(config, self._turnout.running())):
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
            moved = {tag(name) for name in self._turnout.running()} & set(config.elders)
            forced = config.parent == charters.FORCED_PARENT  # they are believed to be off
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

    def _lesson(self) -> Teach:
        return Teach(charters.of(self._site.config), firm=self.choice.firm)
