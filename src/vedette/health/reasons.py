"""Why a check failed, in words fit for an operator: short, printable, and the same for the same fault."""

import errno
import os
import ssl

from vedette.health.judge import Outcome

LONGEST = 160
"""Letters of a reason."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
"""Errors that say something of this machine (no descriptors, memory or local ports left), not of the server."""

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ETIMEDOUT: "no answer",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "no route to the server",
    errno.EACCES: "blocked by this machine's firewall",
    errno.EPERM: "blocked by this machine's firewall",
    errno.EAFNOSUPPORT: "this machine does not speak the address family",
}


def of_errno(error: int) -> tuple[Outcome, str]:
    """What an error number of a socket call says."""
    return (
        Outcome.UNABLE if error in _OURS else Outcome.FAILED,
        _REASONS.get(error) or os.strerror(error).lower(),
    )


def of_error(error: OSError) -> tuple[Outcome, str]:
    """What an error of a socket or of TLS says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome.FAILED, clean(f"certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Outcome.FAILED, clean(f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}")
    if error.errno is None:
        return Outcome.FAILED, "no answer" if isinstance(error, TimeoutError) else "connection lost"
    return of_errno(error.errno)


def clean(text: str) -> str:
    """Return ``text`` on one line, without control characters, and not too long."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * LONGEST]).split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def quoted(data: bytes) -> str:
    """What a server said, for the middle of a reason."""
    return clean(data.decode("utf-8", "replace"))
