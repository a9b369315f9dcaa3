"""Where addresses belong, and what is done about it."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from tests.addresses.groups import ME, group

from vedette.addresses import plan
from vedette.addresses.model import LOOPBACK, Assigned, Link, Observed, Put, Remove, Vip
from vedette.addresses.plan import LIFETIME, REFRESH_BELOW, Phase, Seat, Wanted

MARK = 0x56
LO = Link(LOOPBACK, "lo", bytes(6), up=True, carrier=True)
LAN = Link(2, "lan0", b"\2" + bytes(5), up=True, carrier=True)
NET = Link(3, "net0", b"\4" + bytes(5), up=True, carrier=True)
LINKS = {link.index: link for link in (LO, LAN, NET)}
V1, V2 = ip_address("10.0.0.100"), ip_address("fd00::100")
OWN = (
    Assigned(ip_address("127.0.0.1"), 8, LOOPBACK),
    Assigned(ip_address("10.0.0.1"), 24, LAN.index),
    Assigned(ip_address("10.0.1.1"), 23, NET.index),
    Assigned(ip_address("fd00::1"), 64, LAN.index),
)
SEATS = (Seat(Vip(V1, "web"), LAN), Seat(Vip(V2, "web"), LAN))


def seen(*more: Assigned) -> Observed:
    return Observed(LINKS, OWN + more)


def everywhere(**sets: frozenset[object]) -> Wanted:
    return Wanted(seats=SEATS, prepare=frozenset({V1, V2}), **sets)  # type: ignore[arg-type]


def changes(wanted: Wanted, observed: Observed) -> tuple[object, ...]:
    return plan.plan(wanted, observed, mark=MARK)


def test_an_address_sits_where_its_subnet_is() -> None:
    assert plan.seat(Vip(V1, "web"), seen()).link == LAN
    assert plan.seat(Vip(V2, "web"), seen()).link == LAN


def test_the_narrowest_subnet_wins() -> None:
    wide = Assigned(ip_address("10.0.5.5"), 8, NET.index)
    assert plan.seat(Vip(V1, "web"), seen(wide)).link == LAN


def test_another_vip_is_no_subnet() -> None:
    lonely = Observed(LINKS, (Assigned(V1, 32, LAN.index),))
    assert plan.seat(Vip(V1, "web"), lonely).link is None


def test_a_named_interface_wins_and_its_absence_is_a_problem() -> None:
    assert plan.seat(Vip(V1, "web", "net0"), seen()).link == NET
    assert "eth9" in plan.seat(Vip(V1, "web", "eth9"), seen()).problem


def test_lo_is_no_seat() -> None:
    seat = plan.seat(Vip(V1, "web", "lo"), seen())
    assert seat.link is None
    assert seat.problem


def test_vips_have_the_interface_names_of_this_node() -> None:
    assert plan.vips([group("web", "10.0.0.100/24@lan")], ME) == (Vip(V1, "web", "lan0"),)


def test_a_standby_gets_its_addresses_on_lo_only() -> None:
    assert changes(everywhere(), seen()) == (Put(V1, LOOPBACK, None), Put(V2, LOOPBACK, None))


def test_lo_comes_before_the_interface() -> None:
    wanted = everywhere(acquire=frozenset({V1}))
    assert changes(wanted, seen(Assigned(V2, 128, LOOPBACK))) == (
        Put(V1, LOOPBACK, None),
        Put(V1, LAN.index, LIFETIME),
    )


def test_an_address_about_to_expire_is_refreshed_and_a_fresh_one_is_not() -> None:
    wanted = Wanted(seats=SEATS, acquire=frozenset({V1}))
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index, REFRESH_BELOW, MARK))) == (Put(V1, LAN.index, LIFETIME),)
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index, REFRESH_BELOW + 1, MARK))) == ()


def test_an_address_without_end_gets_one() -> None:
    wanted = Wanted(seats=SEATS, acquire=frozenset({V1}))
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index))) == (Put(V1, LAN.index, LIFETIME),)


def test_what_is_to_be_left_alone_is() -> None:
    wanted = Wanted(seats=SEATS, leave=frozenset({V1}))
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index, 1, MARK))) == ()


def test_an_address_on_its_seat_is_removed_whoever_put_it_there() -> None:
    wanted = Wanted(seats=SEATS)
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index))) == (Remove(V1, LAN.index),)


def test_a_node_that_is_left_alone_gets_nothing_back_but_keeps_alive_what_is_there_and_lets_go() -> None:
    observed = seen(Assigned(V1, 32, LAN.index, REFRESH_BELOW, MARK))
    held = plan.plan(everywhere(acquire=frozenset({V1, V2})), observed, mark=MARK)
    assert plan.without_additions(held, observed) == (Put(V1, LAN.index, LIFETIME),)
    released = plan.plan(everywhere(), observed, mark=MARK)
    assert plan.without_additions(released, observed) == (Remove(V1, LAN.index),)


def test_an_unmarked_address_elsewhere_is_somebody_elses() -> None:
    wanted = Wanted(seats=SEATS)
    assert changes(wanted, seen(Assigned(V1, 32, NET.index), Assigned(V1, 32, LOOPBACK))) == ()
    known = Wanted(seats=SEATS, known=frozenset({(V1, NET.index)}))
    assert changes(known, seen(Assigned(V1, 32, NET.index))) == (Remove(V1, NET.index),)


def test_a_marked_address_of_an_earlier_document_is_removed() -> None:
    old = ip_address("10.0.0.150")
    found = seen(Assigned(old, 32, LOOPBACK, None, MARK), Assigned(old, 32, LAN.index, 9, MARK))
    assert changes(Wanted(()), found) == (Remove(old, LAN.index), Remove(old, LOOPBACK))


def test_an_interface_that_is_down_gets_nothing_and_loses_nothing() -> None:
    down = Link(2, "lan0", LAN.mac, up=False, carrier=False)
    wanted = Wanted(seats=(Seat(Vip(V1, "web"), down),), acquire=frozenset({V1}))
    assert changes(wanted, seen()) == ()
    assert changes(wanted, seen(Assigned(V1, 32, LAN.index, 1, MARK))) == ()


def test_lingering_addresses_are_those_of_ours_on_interfaces() -> None:
    found = seen(Assigned(V1, 32, LAN.index), Assigned(V2, 128, LOOPBACK), Assigned(ip_address("10.0.0.9"), 32, 2))
    assert plan.lingering(Wanted(SEATS), found, mark=MARK) == {V1}


indexes = st.sampled_from([LOOPBACK, LAN.index, NET.index])
addresses = st.sampled_from([V1, V2, ip_address("10.0.0.150"), ip_address("10.0.0.9")])
assignments = st.builds(
    lambda address, index, valid, mark: Assigned(address, address.max_prefixlen, index, valid, mark),
    addresses,
    indexes,
    st.sampled_from([None, 1, LIFETIME]),
    st.sampled_from([0, MARK]),
)
observations = st.lists(assignments, max_size=8, unique_by=lambda item: (item.address, item.index)).map(
    lambda items: seen(*items)
)
subsets = st.frozensets(st.sampled_from([V1, V2]))
wishes = st.builds(
    lambda acquire, leave, prepare: Wanted(SEATS, acquire, leave - acquire, prepare), subsets, subsets, subsets
)


def apply(observed: Observed, done: tuple[object, ...]) -> Observed:
    """The kernel after these changes."""
    table = {(item.address, item.prefix_length, item.index): item for item in observed.addresses}
    for change in done:
        match change:
            case Put(address, index, lifetime):
                length = address.max_prefixlen
                table[address, length, index] = Assigned(address, length, index, lifetime, MARK)
            case Remove(address, index):
                del table[address, address.max_prefixlen, index]
    return Observed(observed.links, tuple(table.values()))


@given(wishes, observations)
def test_one_pass_from_any_state_leaves_nothing_to_do(wanted: Wanted, observed: Observed) -> None:
    assert changes(wanted, apply(observed, changes(wanted, observed))) == ()


@given(wishes, observations, st.integers(0, 8))
def test_a_pass_that_was_interrupted_is_completed_by_the_next(wanted: Wanted, observed: Observed, at: int) -> None:
    halfway = apply(observed, changes(wanted, observed)[:at])
    end = apply(halfway, changes(wanted, halfway))
    assert set(end.addresses) == set(apply(observed, changes(wanted, observed)).addresses)


@given(wishes, observations)
def test_other_peoples_addresses_stay(wanted: Wanted, observed: Observed) -> None:
    places = {(seat.vip.address, seat.link.index) for seat in SEATS if seat.link is not None}
    prepared = {(address, LOOPBACK) for address in wanted.prepare}
    foreign = {
        item
        for item in observed.addresses
        if item.protocol != MARK and (item.address, item.index) not in places | prepared
    }
    assert foreign <= set(apply(observed, changes(wanted, observed)).addresses)


@given(wishes, observations)
def test_a_pass_lets_go_before_it_takes(wanted: Wanted, observed: Observed) -> None:
    phases = [plan.phase(change) for change in plan.plan(wanted, observed, mark=MARK)]
    assert phases == sorted(phases)
    assert Phase.WITHDRAW < Phase.FORGET < Phase.PREPARE < Phase.ACQUIRE
