"""Tables as Hypothesis draws them: everything that the kernel can hold."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from vedette.ipvs.model import (
    AddressKey,
    Checksum,
    Destination,
    DestinationKey,
    Encapsulation,
    Flags,
    MarkKey,
    Method,
    Service,
    ServiceKey,
    Settings,
    Tunnel,
)
from vedette.spec.resolved import Protocol

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
addresses = st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address))
keys: st.SearchStrategy[ServiceKey] = st.one_of(
    st.builds(AddressKey, st.sampled_from(Protocol), addresses, u16),
    st.builds(MarkKey, st.sampled_from((4, 6)), st.integers(1, 0xFFFFFFFF)),
)
flags = st.integers(0, 15).map(lambda bits: Flags(bits << 2))
schedulers = st.sampled_from(("rr", "wrr", "wlc", "sh", "mh"))
plain_settings = st.builds(Settings, schedulers, flags, engine=st.sampled_from(("", "sip")))
tunnels = st.builds(
    Tunnel,
    st.sampled_from((Encapsulation.IPIP, Encapsulation.GUE, Encapsulation.GRE)),
    u16,
    st.integers(0, 3).map(Checksum),
)
destination_keys = st.builds(DestinationKey, addresses, u16)
destinations = st.builds(
    Destination,
    weight=st.integers(0, 2**31 - 1),
    method=st.sampled_from((Method.MASQUERADE, Method.LOCAL, Method.TUNNEL, Method.DIRECT_ROUTING)),
    upper=u32,
    lower=u32,
    tunnel=tunnels,
)


@st.composite
def settings_of(draw: st.DrawFn, version: int) -> Settings:
    """Settings with persistence, whose granularity depends on the address family; the whole address is None."""
    whole = 32 if version == 4 else 128
    persistence = draw(st.one_of(st.just(0), st.integers(1, 0xFFFFFFFF)))
    granularity = draw(st.one_of(st.none(), st.integers(0, whole - 1))) if persistence else None
    return Settings(draw(schedulers), draw(flags), persistence, granularity, draw(st.sampled_from(("", "sip"))))


# A small world, in which tables often share keys: for planning from any table to any other.

few_keys: st.SearchStrategy[ServiceKey] = st.sampled_from(
    (
        AddressKey(Protocol.TCP, IPv4Address("203.0.113.80"), 80),
        AddressKey(Protocol.UDP, IPv4Address("203.0.113.80"), 80),
        AddressKey(Protocol.TCP, IPv4Address("203.0.113.81"), 80),
        MarkKey(4, 7),
        MarkKey(6, 7),
    )
)
few_destination_keys = st.builds(
    DestinationKey, st.integers(1, 4).map(lambda last: IPv4Address(f"10.0.0.{last}")), st.sampled_from((80, 0))
)
other_destination_keys = st.builds(
    DestinationKey, st.integers(1, 4).map(lambda last: IPv6Address(f"2001:db8::{last}")), st.sampled_from((80, 0))
)
tunnelled = st.builds(
    Destination,
    st.integers(0, 2),
    st.just(Method.TUNNEL),
    tunnel=st.sampled_from((Tunnel(), Tunnel(Encapsulation.GUE, 6080), Tunnel(Encapsulation.GRE, 0, Checksum.FULL))),
)
thresholds = st.sampled_from(((0, 0), (10, 0), (10, 5)))
few_destinations = st.one_of(
    st.builds(
        lambda weight, method, limits: Destination(weight, method, *limits),
        st.integers(0, 2),
        st.sampled_from((Method.MASQUERADE, Method.DIRECT_ROUTING)),
        thresholds,
    ),
    tunnelled,
)
few_services = st.builds(
    Service,
    st.builds(
        Settings,
        st.sampled_from(("wlc", "mh", "none")),
        st.sampled_from((Flags.NONE, Flags.ONE_PACKET, Flags.PORT)),
        persistence=st.sampled_from((0, 60)),
        engine=st.sampled_from(("", "sip")),
    ),
    st.dictionaries(few_destination_keys, few_destinations, max_size=4),
)


@st.composite
def worlds(draw: st.DrawFn, services: st.SearchStrategy[Service] = few_services) -> dict[ServiceKey, Service]:
    """A table whose destinations are of their service's address family, or tunnelled."""
    table = draw(st.dictionaries(few_keys, services, max_size=4))
    for key, service in table.items():
        if key.version == 6:
            others = draw(st.dictionaries(other_destination_keys, few_destinations, max_size=3))
            through = {name: item for name, item in service.destinations.items() if item.method is Method.TUNNEL}
            table[key] = Service(service.settings, {**through, **others})
        else:
            across = draw(st.dictionaries(other_destination_keys, tunnelled, max_size=2))
            table[key] = Service(service.settings, {**service.destinations, **across})
    return table


tables = worlds()
wanted_services = few_services.filter(lambda service: service.settings.scheduler != "none")
wanted_tables = worlds(wanted_services)
