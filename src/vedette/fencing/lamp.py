"""Whether one plug counts as off: decided from the answers of its device since the node had to be off, and no others.

The rule (cluster.md 26): a device is believed that showed *on*, then *off* twice in a row. *On* may have been seen
before the request, but only while the node was known to live: an outlet that reads off although its node runs is not
that node's outlet, and one that was never seen on may not exist at all (some devices call it "already off"). Of the
former nothing is proof, whatever it reads afterwards, until it has read on while its node lived.
"""

from vedette.fencing.answers import Answer, Said

LOOKS = 2
"""Times in a row that a device must say off: one reading may be a slip of a controller that is just switching."""


class Lamp:
    """One plug during one fencing."""

    def __init__(self) -> None:
        self._shown_on = False
        self._offs = 0

    def restart(self) -> None:
        """Forget what was read before this try, except that the plug was seen on since the request."""
        self._offs = 0

    def take(self, answer: Answer) -> None:
        """Note an answer to ``status``.

        Once dark it stays dark when the device falls silent: a controller that is fed by the same cable dies with
        its node. One that still speaks, and does not say *off*, has taken its word back.
        """
        match answer.said:
            case Said.ON:
                self._shown_on, self._offs = True, 0
            case Said.OFF:
                self._offs = min(LOOKS, self._offs + 1)
            case _ if self._offs < LOOKS or not answer.quiet:
                self._offs = 0

    @property
    def dark(self) -> bool:
        """Whether the device has said off twice in a row, and nothing else since."""
        return self._offs >= LOOKS

    def proves(self, *, trusted: bool, doubted: bool = False) -> bool:
        """Whether that is proof: ``trusted`` says that this plug was seen on while the node lived, ``doubted`` that it
        was seen off, and not on since.
        """
        return self.dark and self.counts(trusted=trusted, doubted=doubted)

    def counts(self, *, trusted: bool, doubted: bool = False) -> bool:
        """Whether *off* from this plug would be proof."""
        return not doubted and (self._shown_on or trusted)
