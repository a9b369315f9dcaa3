"""What keeper and feeder say to each other: one message a packet, words with a space between.

To the feeder::

    arm INSTANT TIMEOUT PATH    guard this machine; the core was on time at INSTANT
    token INSTANT               the core was on time at INSTANT
    rest                        nothing is held here: stop the device, or feed it where it cannot be stopped

and back::

    armed TIMEOUT WAYOUT SURE PATH IDENTITY     the last two separated by a zero byte
    failed REASON                               no device is open
    fed INSTANT                                 the token counted; silence otherwise
    closed                                      the device is stopped
    kept                                        the device cannot be stopped; the feeder feeds it by itself

Instants are CLOCK_BOOTTIME ns, durations ns. The other end is of the same release, or of one that knows these words.
"""

LARGEST = 2048
"""Bytes of a message: a path has at most 1,024."""


def write(*words: object) -> bytes:
    return " ".join(map(str, words)).encode()


def read(message: bytes, numbers: int) -> tuple[list[int], str]:
    """The numbers behind the first word, and the text behind them; raises ``ValueError``."""
    words = message.decode().split(" ", numbers + 1)
    return [int(word) for word in words[1 : numbers + 1]], words[numbers + 1] if len(words) > numbers + 1 else ""
