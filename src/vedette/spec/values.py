"""The values of the document that have a grammar of their own: durations, addresses, ports, status codes.

Each ``parse_*`` takes the written form and raises :class:`BadValueError`, which knows what to write instead. The models
check with them, :mod:`vedette.spec.resolve` reads with them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from vedette.kit import net, units
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Protocol

LONGEST_RANGE = 65536
"""Addresses in one range: more is a typing mistake."""


class BadValueError(ValueError):
    """A value that does not follow its grammar; ``remedy`` says what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class AddressRange:
    """``first`` to ``last``, both included and of one family. ``prefix_length`` is None when none was written."""

    first: IPAddress
    last: IPAddress
    prefix_length: int | None = None

    def __len__(self) -> int:
        return 1 if self.first is self.last else int(self.last) - int(self.first) + 1

    def expand(self) -> tuple[IPAddress, ...]:
        if self.first is self.last:
            return (self.first,)
        kind = type(self.first)
        return tuple(kind(number) for number in range(int(self.first), int(self.last) + 1))


@dataclass(frozen=True, slots=True)
class PortRange:
    """``first`` to ``last`` of one protocol, both included; 0 to 0 is every port."""

    first: int
    last: int
    protocol: Protocol = Protocol.TCP

    def __len__(self) -> int:
        return self.last - self.first + 1


_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_UNITS = {"ms": units.MILLISECOND, "s": units.SECOND, "m": units.MINUTE, "h": units.HOUR, "d": units.DAY}
LONGEST_DURATION = 100 * units.DAY


@lru_cache(maxsize=256)
def parse_duration(text: str) -> int:
    """Read ``500ms``, ``3s``, ``10m``, ``1h`` or ``14d`` as nanoseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise BadValueError(f'"{shorten(text)}" is not a duration', _duration_remedy(text))
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > LONGEST_DURATION:
        raise BadValueError(f"{text} is longer than 100 days", "write a shorter time")
    return duration


def _duration_remedy(text: str) -> str:
    if text.isascii() and text.isdigit():
        return f"say the unit: write {text}s" + (f" or {text}ms" if len(text) > 2 else "")
    spaced = re.fullmatch(r"([0-9]{1,9}) *(ms|s|m|h|d)[a-z]*", text)
    if spaced:
        return f"write {spaced[1]}{spaced[2]}"
    decimal = re.fullmatch(r"([0-9]{1,6}\.[0-9]{1,3})s", text)
    if decimal:
        return f"write {round(float(decimal[1]) * 1000)}ms"
    return "write a whole number and its unit, like 500ms, 3s, 10m or 1h"


def parse_address(text: str) -> IPAddress:
    """Read one IPv4 or IPv6 address, without prefix, port or zone."""
    try:
        address = net.parse(text)
    except ValueError:
        raise BadValueError(f'"{shorten(text)}" is not an IP address', _address_remedy(text)) from None
    if "%" in text:
        raise BadValueError(
            f'"{shorten(text)}" names an interface', "write the address alone; the interface has its own key"
        )
    if address.version == 6 and address.ipv4_mapped is not None:  # only inside programs: no packet has it (RFC 4291)
        raise BadValueError(f'"{shorten(text)}" is an IPv4 address in the form of IPv6', f"write {address.ipv4_mapped}")
    return address


def _address_remedy(text: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}:[0-9]+", text):
        address, port = text.split(":")
        return f"address and port are two keys: address: {address}, port: {port}"
    if re.fullmatch(r"\[[0-9A-Fa-f:.]+\](:[0-9]+)?", text):
        return f'write it without brackets: "{text[1:].partition("]")[0]}"'
    if "/" in text:
        return "write the address without the prefix length"
    if re.search(r"[g-zG-Z]", text):
        return "names are not looked up: write the address, like 10.0.0.11"
    if re.search(r"(^|\.)0[0-9]", text):
        return "write the numbers without leading zeros"
    return 'write it like 10.0.0.11 or "2001:db8::11"'


def parse_host_name(text: str) -> str:
    """Read a name in the DNS (RFC 1035, RFC 2782), absolute: ``App.example.`` and ``app.example`` are the same."""
    name = text.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > 253 or not all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", label) for label in labels):
        raise BadValueError(f'"{shorten(text)}" is not a name in the DNS', "write it like app.example.org")
    if labels[-1].isdigit():
        raise BadValueError(f'"{shorten(text)}" is no name', "write an address as `address`")
    return name


@lru_cache(maxsize=1 << 15)
def parse_range(text: str) -> AddressRange:
    """Read ``10.0.0.11`` or ``10.0.0.11-10.0.0.19`` (IPv4 or IPv6)."""
    first_text, dash, last_text = text.partition("-")
    first = parse_address(first_text.strip())
    if not dash:
        return AddressRange(first, first)
    if last_text.strip().isdigit() and first.version == 4:
        stem = first_text.strip().rpartition(".")[0]
        raise BadValueError(
            f'"{shorten(text)}" is not an address range',
            f"write both ends in full: {first}-{stem}.{last_text.strip()}",
        )
    last = parse_address(last_text.strip())
    if first.version != last.version:
        raise BadValueError(f"{text} mixes IPv4 and IPv6", "write one range for each family")
    if int(last) < int(first):
        raise BadValueError(f"{text} runs backwards", f"write {last}-{first}")
    if int(last) - int(first) >= LONGEST_RANGE:
        raise BadValueError(f"{text} holds more than {LONGEST_RANGE} addresses", "write a shorter range")
    return AddressRange(first, last)


def parse_virtual_address(text: str) -> AddressRange:
    """Read an address or range with an optional prefix length: ``203.0.113.80/24``, ``a-b/24``."""
    addresses, slash, prefix_text = text.partition("/")
    found = parse_range(addresses)
    longest = found.first.max_prefixlen
    if not slash:
        return found
    if not (prefix_text.isascii() and prefix_text.isdigit() and 1 <= int(prefix_text) <= longest):
        raise BadValueError(
            f'"/{shorten(prefix_text)}" is not a prefix length',
            f"write a number from 1 to {longest}, like {addresses}/{24 if longest == 32 else 64}",
        )
    return AddressRange(found.first, found.last, int(prefix_text))


_PORTS = re.compile(r"([0-9]{1,5}|any)(?:-([0-9]{1,5}))?(?:/([A-Za-z]+))?")


@lru_cache(maxsize=1024)
def parse_port(value: int | str) -> PortRange:
    """Read ``80``, ``53/udp``, ``50000-60000/udp`` or ``any``; tcp when no protocol is said."""
    match = _PORTS.fullmatch(str(value))
    if match is None or (match[1] == "any" and match[2]):
        raise BadValueError(f'"{shorten(str(value))}" is not a port', _port_remedy(str(value)))
    protocol = _protocol(match[3] or "tcp")
    if match[1] == "any":
        return PortRange(0, 0, protocol)
    first = int(match[1])
    last = int(match[2] or first)
    if first == last == 0:
        word = "any" if protocol is Protocol.TCP else f"any/{protocol.value}"
        raise BadValueError("0 is not a port", f"write a number from 1 to 65535, or `{word}` for every port")
    for number in (first, last):
        if not 1 <= number <= 65535:
            raise BadValueError(f"{number} is not a port", "write a number from 1 to 65535")
    if last < first:
        raise BadValueError(f"{value} runs backwards", f"write {last}-{first}")
    return PortRange(first, last, protocol)


def _port_remedy(text: str) -> str:
    found = re.fullmatch(r" *([0-9]{1,5}) *(?:-|–|:|\.\.|to) *([0-9]{1,5}) *(/[a-z]+)?", text)
    if found is not None:
        return f"write {found[1]}-{found[2]}{found[3] or ''}"
    return "write 80, 53/udp, 50000-60000/udp or any"


def _protocol(word: str) -> Protocol:
    try:
        return Protocol(word)
    except ValueError:
        raise BadValueError(f'"{shorten(word)}" is not a protocol', "write /tcp, /udp or /sctp") from None


@lru_cache(maxsize=256)
def parse_statuses(value: int | str) -> tuple[int, int]:
    """Read an HTTP status code or an inclusive range of them: ``200``, ``200-299``."""
    match = re.fullmatch(r"([0-9]{3})(?:-([0-9]{3}))?", str(value))
    if match is None or not 100 <= int(match[1]) <= int(match[2] or match[1]) <= 599:
        raise BadValueError(f'"{shorten(str(value))}" is not an HTTP status', "write 200 or 200-299 (100 to 599)")
    return int(match[1]), int(match[2] or match[1])


_USER = re.compile(r"://[^/?#\s]*@")


def shorten(text: str, *, most: int = 60) -> str:
    """Cut what is quoted from a document, and keep control characters and a URL's password out of the answer."""
    text = _USER.sub("://…@", text)
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return clean if len(text) <= most else clean[: most - 1] + "…"
