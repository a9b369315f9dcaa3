"""The IPVS family of generic netlink, version 1 (linux/ip_vs.h): values to payloads and back.

A payload is what stands behind the netlink header; :mod:`vedette.ipvs.kernel` gives it the family's id. The layout
has traps, all seen in a real kernel (facts-netlink.md section 1):

- ports are big endian (also a tunnel's), everything else is the machine's order;
- a netmask must always be sent: of IPv4 it is the mask in network order, of IPv6 the prefix length;
- flags carry a mask; dumps add the kernel's own ``hashed`` bit, and persistence is a flag beside its time-out;
- a destination without forwarding method or address family would get the kernel's guess, so both are always sent.
"""

import struct
import sys
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP

from vedette.ipvs.model import (
    AddressKey,
    Checksum,
    Connections,
    Counters,
    Destination,
    DestinationKey,
    DestinationUsage,
    Encapsulation,
    Flags,
    MarkKey,
    Method,
    ServiceKey,
    Settings,
    Timeouts,
    Tunnel,
    shared_destination,
)
from vedette.kit.net import IPAddress, family
from vedette.kit.netlink import attribute, attributes, nest
from vedette.spec.resolved import Protocol

FAMILY = "IPVS"
"""The name to resolve with :func:`vedette.kit.netlink.generic_family`."""

# IPVS_CMD_*
_NEW_SERVICE, _SET_SERVICE, _DEL_SERVICE, _GET_SERVICE = 1, 2, 3, 4
_NEW_DEST, _SET_DEST, _DEL_DEST, _GET_DEST = 5, 6, 7, 8
_SET_CONFIG, _GET_CONFIG, _GET_INFO, _FLUSH = 12, 13, 15, 17
# IPVS_CMD_ATTR_*
_SERVICE, _DESTINATION, _TIMEOUT_TCP, _TIMEOUT_TCP_FIN, _TIMEOUT_UDP = 1, 2, 4, 5, 6
# IPVS_SVC_ATTR_*
_AF, _PROTOCOL, _ADDRESS, _PORT, _MARK, _SCHEDULER = 1, 2, 3, 4, 5, 6
_FLAGS, _PERSISTENCE, _NETMASK, _ENGINE, _SERVICE_STATS64 = 7, 8, 9, 11, 12
# IPVS_DEST_ATTR_*
_D_ADDRESS, _D_PORT, _D_METHOD, _D_WEIGHT, _D_UPPER, _D_LOWER = 1, 2, 3, 4, 5, 6
_D_ACTIVE, _D_INACTIVE, _D_PERSISTENT, _D_STATS, _D_AF, _D_STATS64 = 7, 8, 9, 10, 11, 12
_D_TUNNEL, _D_TUNNEL_PORT, _D_TUNNEL_FLAGS = 13, 14, 15
# IP_VS_SVC_F_*: what the kernel keeps in the flags beside Flags
_PERSISTENT, _HASHED = 0x1, 0x2
_METHOD_MASK = 0x7

_PROTOCOLS = {Protocol.TCP: IPPROTO_TCP, Protocol.UDP: IPPROTO_UDP, Protocol.SCTP: IPPROTO_SCTP}
_PROTOCOL_OF = {number: protocol for protocol, number in _PROTOCOLS.items()}
_FAMILY_OF = {4: AF_INET, 6: AF_INET6}
_VERSION_OF = {AF_INET: 4, AF_INET6: 6}

_U8 = struct.Struct("=B")
_U16 = struct.Struct("=H")
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")
_BE16 = struct.Struct("!H")
_MASKED = struct.Struct("=II")
_DESTINATION_KEY = struct.Struct("=HHH2x HH16s HH2s2x")
_DEFAULT_TUNNEL = Tunnel()

# Where things are in a payload: struct genlmsghdr and the header of the one nest come first.
_INNER, _NUMBERS, _FAMILY_OF_ADDRESS, _STATS = 8, 92, 116, 124
_FIXED = struct.Struct(f"={_NUMBERS}xI4xI4xI4xI4x2xH")
"""The headers of the three moving numbers and of the address family, and the kind of what stands behind."""


def _header(size: int, kind: int) -> int:
    return int.from_bytes(struct.pack("=HH", size, kind), sys.byteorder)


_FIXED_HEADERS = (
    _header(8, _D_ACTIVE),
    _header(8, _D_INACTIVE),
    _header(8, _D_PERSISTENT),
    _header(6, _D_AF),
    _D_STATS,
)

# Requests


def new_service(key: ServiceKey, settings: Settings) -> bytes:
    """Add a service; the kernel answers EEXIST, or ENOENT for a scheduler or engine that it cannot load."""
    return _command(_NEW_SERVICE) + nest(_SERVICE, _service_key(key) + _settings(settings, key.version))


def set_service(key: ServiceKey, settings: Settings) -> bytes:
    """Change a service in place, its destinations and counters kept; ESRCH when it is absent."""
    return _command(_SET_SERVICE) + nest(_SERVICE, _service_key(key) + _settings(settings, key.version))


def delete_service(key: ServiceKey) -> bytes:
    """Remove a service and all its destinations; ESRCH when it is absent."""
    return _command(_DEL_SERVICE) + nest(_SERVICE, _service_key(key))


def new_destination(service: ServiceKey, key: DestinationKey, destination: Destination) -> bytes:
    """Add a destination; EEXIST, or ESRCH when the service is absent."""
    return _on_service(_NEW_DEST, service) + nest(_DESTINATION, _destination_key(key) + _destination(destination))


def set_destination(service: ServiceKey, key: DestinationKey, destination: Destination) -> bytes:
    """Change a destination in place, its counters and connections kept; ENOENT when it is absent."""
    return _on_service(_SET_DEST, service) + nest(_DESTINATION, _destination_key(key) + _destination(destination))


def delete_destination(service: ServiceKey, key: DestinationKey) -> bytes:
    """Remove a destination; ENOENT when it is absent, ESRCH when its service is."""
    return _on_service(_DEL_DEST, service) + nest(_DESTINATION, _destination_key(key))


def get_services() -> bytes:
    """Dump every service of this network namespace."""
    return _command(_GET_SERVICE)


def get_destinations(service: ServiceKey) -> bytes:
    """Dump the destinations of one service; nothing when it is absent."""
    return _on_service(_GET_DEST, service)


def get_timeouts() -> bytes:
    return _command(_GET_CONFIG)


def set_timeouts(timeouts: Timeouts) -> bytes:
    """Set those that are not None."""
    pairs = ((_TIMEOUT_TCP, timeouts.tcp), (_TIMEOUT_TCP_FIN, timeouts.tcp_fin), (_TIMEOUT_UDP, timeouts.udp))
    return _command(_SET_CONFIG) + b"".join(_u32(kind, value) for kind, value in pairs if value is not None)


def get_info() -> bytes:
    return _command(_GET_INFO)


def flush() -> bytes:
    """Delete every service, other people's too: for tests and the lab; the daemon never sends it."""
    return _command(_FLUSH)


# Answers


def read_service(payload: bytes) -> tuple[ServiceKey, Settings]:
    """Decode one answer to :func:`get_services`, or one of our own requests."""
    found = attributes(attributes(payload[4:])[_SERVICE])
    key = _read_service_key(found)
    flags = _MASKED.unpack(found[_FLAGS])[0]
    persistence, granularity = 0, None
    if flags & _PERSISTENT:
        (persistence,) = _U32.unpack(found[_PERSISTENCE])
        granularity = _read_netmask(found[_NETMASK], key.version)
    settings = Settings(
        scheduler=_text(found[_SCHEDULER]),
        flags=Flags(flags & ~(_PERSISTENT | _HASHED)),
        persistence=persistence,
        granularity=granularity,
        engine=_text(found.get(_ENGINE, b"")),
    )
    return key, settings


def read_counters(payload: bytes) -> Counters:
    """Decode the moving numbers of an answer to :func:`get_services`."""
    return _read_counters(attributes(attributes(payload[4:])[_SERVICE]).get(_SERVICE_STATS64, b""))


def read_destination(payload: bytes, version: int) -> tuple[DestinationKey, Destination]:
    """Decode one answer to :func:`get_destinations`; ``version`` is the service's, for kernels that leave it out.

    Linux since 5.3 sends what a person sets, then the moving numbers, then the address family, then statistics, all at
    fixed places. There an entry that has not changed since the last look is not decoded again.
    """
    if len(payload) >= _FIXED.size and _FIXED.unpack_from(payload) == _FIXED_HEADERS:
        return _decode_again(payload[_INNER:_NUMBERS] + payload[_FAMILY_OF_ADDRESS:_STATS], version)
    return _decode(attributes(payload[4:])[_DESTINATION], version)


def read_usage(payload: bytes) -> DestinationUsage:
    """Decode the moving numbers of an answer to :func:`get_destinations`."""
    found = attributes(attributes(payload[4:])[_DESTINATION])
    numbers = (found[kind] for kind in (_D_ACTIVE, _D_INACTIVE, _D_PERSISTENT) if kind in found)
    return DestinationUsage(
        Connections(*(_U32.unpack(number)[0] for number in numbers)), _read_counters(found.get(_D_STATS64, b""))
    )


def read_timeouts(payload: bytes) -> Timeouts:
    found = attributes(payload[4:])
    return Timeouts(*(_U32.unpack(found[kind])[0] for kind in (_TIMEOUT_TCP, _TIMEOUT_TCP_FIN, _TIMEOUT_UDP)))


def read_info(payload: bytes) -> tuple[tuple[int, int, int], int]:
    """Decode the version of IPVS and the size of its connection table (IPVS_INFO_ATTR_*)."""
    found = attributes(payload[4:])
    version, size = (_U32.unpack(found[kind])[0] for kind in (1, 2))
    return (version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF), size


# Parts


def _command(command: int) -> bytes:
    """struct genlmsghdr: command, version, reserved."""
    return struct.pack("=BBH", command, 1, 0)


def _u16(kind: int, value: int) -> bytes:
    return attribute(kind, _U16.pack(value))


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def _be16(kind: int, value: int) -> bytes:
    return attribute(kind, _BE16.pack(value))


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("ascii", "replace")


def _address(kind: int, address: IPAddress) -> bytes:
    """union nf_inet_addr: always sixteen bytes."""
    return attribute(kind, address.packed.ljust(16, b"\0"))


def _read_address(value: bytes, af: int) -> IPAddress:
    return IPv4Address(value[:4]) if af == AF_INET else IPv6Address(value[:16])


def _service_key(key: ServiceKey) -> bytes:
    af = _u16(_AF, _FAMILY_OF[key.version])
    match key:
        case AddressKey(protocol, address, port):
            return af + _u16(_PROTOCOL, _PROTOCOLS[protocol]) + _address(_ADDRESS, address) + _be16(_PORT, port)
        case MarkKey(_, mark):
            return af + _u32(_MARK, mark)


def _read_service_key(found: dict[int, bytes]) -> ServiceKey:
    (af,) = _U16.unpack(found[_AF])
    if _MARK in found:
        return MarkKey(_VERSION_OF[af], _U32.unpack(found[_MARK])[0])
    protocol = _PROTOCOL_OF[_U16.unpack(found[_PROTOCOL])[0]]
    return AddressKey(protocol, _read_address(found[_ADDRESS], af), _BE16.unpack(found[_PORT])[0])


@lru_cache(maxsize=1024)
def _on_service(command: int, key: ServiceKey) -> bytes:
    """The start of a message about one destination; ten thousand of them share a few."""
    return _command(command) + nest(_SERVICE, _service_key(key))


def _settings(settings: Settings, version: int) -> bytes:
    flags = settings.flags | (_PERSISTENT if settings.persistence else 0)
    return b"".join(
        (
            attribute(_SCHEDULER, settings.scheduler.encode() + b"\0"),
            attribute(_FLAGS, _MASKED.pack(flags, 0xFFFFFFFF)),
            _u32(_PERSISTENCE, settings.persistence),
            attribute(_NETMASK, _netmask(settings.granularity, version)),
            attribute(_ENGINE, settings.engine.encode() + b"\0") if settings.engine else b"",
        )
    )


def _netmask(prefix: int | None, version: int) -> bytes:
    if version == 6:
        return _U32.pack(128 if prefix is None else prefix)
    bits = 32 if prefix is None else prefix
    return ((1 << 32) - (1 << 32 - bits)).to_bytes(4, "big")


def _read_netmask(value: bytes, version: int) -> int | None:
    prefix = _U32.unpack(value)[0] if version == 6 else int.from_bytes(value, "big").bit_count()
    return None if prefix == (128 if version == 6 else 32) else prefix


def _destination_key(key: DestinationKey) -> bytes:
    """Three attributes at once: of everything sent, only this differs from one destination to the next."""
    port = _BE16.pack(key.port)
    return _DESTINATION_KEY.pack(6, _D_AF, family(key.address), 20, _D_ADDRESS, key.address.packed, 6, _D_PORT, port)


@lru_cache(maxsize=1024)
def _destination(destination: Destination) -> bytes:
    return b"".join(
        (
            _u32(_D_METHOD, destination.method),
            attribute(_D_WEIGHT, _I32.pack(destination.weight)),
            _u32(_D_UPPER, destination.upper),
            _u32(_D_LOWER, destination.lower),
            attribute(_D_TUNNEL, _U8.pack(destination.tunnel.encapsulation.value)),
            _be16(_D_TUNNEL_PORT, destination.tunnel.port),
            _u16(_D_TUNNEL_FLAGS, destination.tunnel.checksum),
        )
    )


def _decode(inner: bytes, version: int) -> tuple[DestinationKey, Destination]:
    found = attributes(inner)
    af = _U16.unpack(found[_D_AF])[0] if _D_AF in found else _FAMILY_OF[version]
    key = DestinationKey(_read_address(found[_D_ADDRESS], af), _BE16.unpack(found[_D_PORT])[0])
    destination = shared_destination(
        weight=_I32.unpack(found[_D_WEIGHT])[0],
        method=Method(_U32.unpack(found[_D_METHOD])[0] & _METHOD_MASK),
        upper=_U32.unpack(found[_D_UPPER])[0],
        lower=_U32.unpack(found[_D_LOWER])[0],
        tunnel=_read_tunnel(found),
    )
    return key, destination


_decode_again = lru_cache(maxsize=1 << 17)(_decode)


def _read_tunnel(found: dict[int, bytes]) -> Tunnel:
    """Kernels before 5.3 know only IPIP and send nothing."""
    if _D_TUNNEL not in found:
        return _DEFAULT_TUNNEL
    kind, port, flags = found[_D_TUNNEL], found.get(_D_TUNNEL_PORT, b"\0\0"), found.get(_D_TUNNEL_FLAGS, b"\0\0")
    if kind == b"\0" and port == flags == b"\0\0":
        return _DEFAULT_TUNNEL
    return Tunnel(Encapsulation(kind[0]), _BE16.unpack(port)[0], Checksum(_U16.unpack(flags)[0]))


def _read_counters(stats: bytes) -> Counters:
    """The first five of IPVS_STATS_ATTR_*; the rest are rates that nobody needs who can subtract."""
    found = attributes(stats)
    return Counters(*(struct.unpack("=Q", found[kind])[0] for kind in range(1, 6) if kind in found))
