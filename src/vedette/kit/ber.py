"""The Basic Encoding Rules as far as LDAP needs them: definite lengths, tags of one byte (X.690, RFC 4511 section 5.1).

>>> element(OCTET_STRING, b"abc").hex()
'0403616263'
>>> [(hex(tag), content) for tag, content in elements(bytes.fromhex("0403616263020105"))]
[('0x4', b'abc'), ('0x2', b'\\x05')]
"""

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE = 0x01, 0x02, 0x04, 0x0A, 0x30


class BerError(ValueError):
    """This is none of the encoding."""


def element(tag: int, *contents: bytes) -> bytes:
    """One element of what ``contents`` are together."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(digits))) + digits + content


def number(value: int, tag: int = INTEGER) -> bytes:
    """A number that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1))


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element in ``data``; raises :class:`BerError`."""
    found, at = [], 0
    while at < len(data):
        tag = data[at]
        size, start = _length(data, at + 1)
        at = start + size
        if at > len(data):
            raise BerError("an element is longer than what it is in")
        found.append((tag, data[start:at]))
    return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length written at ``at``, and where its content begins."""
    if at >= len(data):
        raise BerError("an element ends behind its tag")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    digits = data[at + 1 : at + 1 + length_digits(first)]
    if len(digits) < length_digits(first):
        raise BerError("an element ends in its length")
    return int.from_bytes(digits), at + 1 + len(digits)


def length_digits(first: int) -> int:
    """How many bytes of a length follow its first one; raises :class:`BerError` for more than four or no end."""
    if first < 0x80:
        return 0
    if not 0x81 <= first <= 0x84:
        raise BerError("a length that LDAP does not have")
    return first & 0x7F
