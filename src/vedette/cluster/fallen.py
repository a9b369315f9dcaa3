"""dead(peer) of rule 26: whose past lives are over for certain, and who was seen in this boot.

It is kept with this boot's state: a fact that outlived this machine's own reboot would be a trap, since the other may
have confirmed *this* node off meanwhile and be running (hole 12).
"""

from vedette.cluster.ballot import Ballot


class Fallen:
    """``dead``: node tag → all its incarnations up to this one are over; ``seen``: the latest that was alive here.

    A fact ends before this node's goodbye (:meth:`clear`), before its voter gives a vote to that node, when that node's
    vote counts here, and when what was said to be over proves to be alive (:meth:`end` each).
    """

    def __init__(self, dead: dict[int, int], seen: dict[int, int]) -> None:
        self.dead, self.seen = dead, seen
        self.changed = False
        self._since: dict[int, int] = {}

    def covers(self, ballot: Ballot) -> bool:
        """Whether the ballot's owner is over."""
        return self.over(ballot.node, ballot.incarnation)

    def over(self, node: int, incarnation: int) -> bool:
        return incarnation <= self.dead.get(node, -1)

    def confirm(self, node: int, incarnation: int, now: int) -> bool:
        """It is over, up to this incarnation; False when a later one was alive here: then the word came too late."""
        if incarnation < self.seen.get(node, 0):
            return False
        self.dead[node], self._since[node] = incarnation, now
        self.changed = True
        return True

    def end(self, node: int) -> bool:
        """Forget the fact, if there is one."""
        self._since.pop(node, None)
        if self.dead.pop(node, None) is None:
            return False
        self.changed = True
        return True

    def clear(self) -> None:
        """Forget all facts: after my goodbye others run without me, and what I know of them is void (hole 13)."""
        for node in list(self.dead):
            self.end(node)

    def heard(self, node: int, incarnation: int, *, proven: bool) -> None:
        """A datagram of it came; one that proves nothing can only make a known node newer."""
        known = self.seen.get(node)
        if (proven and known is None) or (known is not None and incarnation > known):
            self.seen[node] = incarnation
            self.changed = True

    def contradicted(self, node: int, incarnation: int, sent: int) -> bool:
        """It is said to be over, and yet answers what I sent at ``sent``, after that was said."""
        return self.over(node, incarnation) and sent > self._since.get(node, 0)
