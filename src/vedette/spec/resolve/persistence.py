"""Persistence: how long, for whom, and by what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette.spec import defaults
from vedette.spec.model import balancing as model
from vedette.spec.resolve.cluster import whole_seconds
from vedette.spec.resolve.scope import Scope, duration
from vedette.spec.resolved import Endpoint, Protocol
from vedette.spec.tree import Path


@dataclass(frozen=True, slots=True)
class Persistence:
    """``timeout`` (ns) 0 = none. ``prefix_length`` by address family; one that is missing counts whole addresses.

    ``across``: all ports of the service share one choice.
    """

    timeout: int
    prefix_length: Mapping[int, int]
    engine: str
    across: bool = False


def resolve(
    scope: Scope,
    written: model.Persistence | None,
    endpoints: Sequence[Endpoint],
    families: Sequence[int],
    path: Path,
) -> Persistence:
    """``path`` is that of the persistence; ``families`` are those of the service's addresses."""
    if written is None or (written.timeout is not None and duration(written.timeout, 0) == 0):
        return Persistence(0, {}, "")
    timeout = whole_seconds(scope, written.timeout, (*path, "timeout"))
    if written.engine is not None and not any(item.protocol is Protocol.UDP for item in endpoints) and endpoints:
        scope.fault(
            (*path, "engine"), "the engine `sip` reads SIP over UDP", "add a port like 5060/udp, or leave it out"
        )
    return Persistence(
        defaults.PERSISTENCE if timeout is None else timeout,
        _prefix_lengths(scope, written, families, path),
        written.engine or "",
        across=bool(written.across_ports),
    )


def _prefix_lengths(scope: Scope, written: model.Persistence, families: Sequence[int], path: Path) -> dict[int, int]:
    first, second = written.client_prefix_length, written.client_prefix_length_ipv6
    lengths: dict[int, int] = {}
    if second is not None:
        lengths[6] = second
        if families and 6 not in families:
            message = "the service has no IPv6 address"
            scope.fault((*path, "clientPrefixLengthIpv6"), message, "write `clientPrefixLength`")
    if first is None:
        return lengths
    if 4 not in families and second is None:
        return {6: first}
    if first > 32:
        remedy = "write 32 or less; for the IPv6 addresses there is `clientPrefixLengthIpv6`"
        scope.fault((*path, "clientPrefixLength"), f"an IPv4 address has no {first} bits", remedy)
    elif 6 in families and second is None:
        message = "clients of the IPv6 addresses are still told apart by their whole address"
        scope.findings.warn((*path, "clientPrefixLength"), message, "add `clientPrefixLengthIpv6: 64`")
    return lengths | {4: first}
