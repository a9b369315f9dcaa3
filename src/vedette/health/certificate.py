"""When a certificate ends, read from its DER form (RFC 5280 section 4.1): the one thing that is needed of it.

Python tells the dates of a certificate only if it has verified it.
"""

import re
from datetime import UTC, datetime

_INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x02, 0x30, 0x17, 0x18, 0xA0
_DEEPEST = 4
"""Bytes of a length: 4 GiB is more than any certificate has."""


def not_after(certificate: bytes) -> int | None:
    """Return the end of validity as seconds since 1970 (UTC); None where this cannot be read as a certificate."""
    try:
        _, outer, _ = _element(certificate, 0, _SEQUENCE)
        _, at, _ = _element(certificate, outer, _SEQUENCE)
        if certificate[at] == _VERSION:
            at = _element(certificate, at, _VERSION)[2]
        for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serial number, signature, issuer
            at = _element(certificate, at, tag)[2]
        _, at, _ = _element(certificate, at, _SEQUENCE)
        at = _element(certificate, at, None)[2]
        tag, start, end = _element(certificate, at, None)
        return _seconds(tag, certificate[start:end])
    except (IndexError, ValueError, OverflowError):
        return None


def _element(data: bytes, at: int, wanted: int | None) -> tuple[int, int, int]:
    """Tag, start and end of the contents of the element at ``at``; raises ``ValueError`` and ``IndexError``."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= _DEEPEST:
            raise ValueError("a length that no certificate has")
        length = int.from_bytes(data[start : start + size])
        start += size
    if wanted not in (None, tag) or start + length > len(data):
        raise ValueError("not what stands here in a certificate")
    return tag, start, start + length


def _seconds(tag: int, text: bytes) -> int:
    """Read a time (RFC 5280 section 4.1.2.5); raises ``ValueError``."""
    if tag not in (_UTC_TIME, _GENERALIZED_TIME) or not re.fullmatch(rb"[0-9]{12,14}Z", text):
        raise ValueError("not a time")
    digits = text[:-1].decode()
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return int(datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp())
