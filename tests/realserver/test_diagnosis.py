"""What is wrong with a machine is said with its reason."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.realserver.fake import BARE, OWN, FakeKernel

from vedette.realserver import arp
from vedette.realserver.diagnosis import Level, Surroundings, diagnose, right
from vedette.realserver.model import Assigned, Device, Kind, Observed, Port, Wanted
from vedette.realserver.reconciler import Reconciler
from vedette.realserver.surroundings import exits, listening
from vedette.spec.resolved import Endpoint, Protocol

VIP = ip_address("203.0.113.80")
IPIP = Device(Kind.IPIP, OWN)
WEB = Wanted(
    vips={VIP: ("web",)},
    devices={IPIP: frozenset({VIP})},
    ports=frozenset({Port(4, 6080)}),
    endpoints=frozenset({Endpoint(VIP, 80, Protocol.TCP)}),
)


@pytest.fixture
def good(tmp_path: Path) -> Observed:
    kernel = FakeKernel()
    return Reconciler(kernel, tmp_path).run(WEB).observed


def _wrong(observed: Observed) -> str:
    return "\n".join(f"{item.subject}: {item.message}" for item in diagnose(WEB, observed) if item.level is Level.WRONG)


def test_a_machine_that_was_set_up_is_right(good: Observed) -> None:
    assert right(diagnose(WEB, good))
    assert not right(diagnose(WEB, BARE))


def test_arp_that_would_be_answered_is_explained_by_both_settings(good: Observed) -> None:
    spoilt = replace(good, settings={**good.settings, arp.setting("eth0", "arp_ignore"): "4"})
    assert (
        "eth0: ARP for 203.0.113.80 would be answered by this machine, because net.ipv4.conf.all.arp_ignore is 1 and "
        "net.ipv4.conf.eth0.arp_ignore is 4 (the greater one counts)"
    ) in _wrong(spoilt)


def test_a_second_copy_on_a_network_is_named_with_its_remedy(good: Observed) -> None:
    spoilt = replace(good, addresses=(*good.addresses, Assigned(VIP, 24, 2)))
    assert "ip address del 203.0.113.80/24 dev eth0" in _wrong(spoilt)


def test_a_whole_network_on_lo_is_named(good: Observed) -> None:
    spoilt = replace(good, addresses=(*good.addresses, Assigned(VIP, 24, 1)))
    assert "answer to the whole network" in _wrong(spoilt)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [("rp_filter", "1", "drops clients"), ("arp_announce", "1", "")],
)
def test_the_filter_of_a_tunnel_is_explained(good: Observed, setting: str, value: str, said: str) -> None:
    spoilt = replace(good, settings={**good.settings, arp.setting(IPIP.name, setting): value})
    assert said in _wrong(spoilt)
    assert bool(said) == (not right(diagnose(WEB, spoilt)))


def test_a_port_that_is_closed_or_not_gue_is_wrong(good: Observed) -> None:
    assert "is not open" in _wrong(replace(good, ports={}))
    assert "FOU without GUE" in _wrong(replace(good, ports={Port(4, 6080): False}))


def test_a_server_that_listens_at_its_own_address_only_is_a_hint(good: Observed) -> None:
    deaf = frozenset({(Protocol.TCP, OWN, 80)})
    hints = [item for item in diagnose(WEB, good, Surroundings(deaf)) if item.level is Level.HINT]
    assert [item.subject for item in hints] == ["tcp 203.0.113.80:80"]
    for heard in ((Protocol.TCP, VIP, 80), (Protocol.TCP, None, 80)):
        assert not [item for item in diagnose(WEB, good, Surroundings(frozenset({heard}))) if item.level is Level.HINT]


def test_a_way_back_that_the_filter_does_not_expect_is_a_hint(good: Observed) -> None:
    strict = replace(good, settings={**good.settings, arp.setting("eth0", "rp_filter"): "1"})
    direct = replace(WEB, endpoints=frozenset(), direct=frozenset({OWN}))
    cases = (
        (strict, {"eth1"}, "eth0: drops clients to which the way back is eth1"),
        (strict, {"eth0"}, ""),
        (good, {"eth1"}, ""),
        (good, set[str](), "way back: there is no default route"),
    )
    for observed, ways, said in cases:
        found = diagnose(direct, observed, Surroundings(exits=frozenset(ways)))
        hints = [f"{item.subject}: {item.message}" for item in found if item.level is Level.HINT]
        assert bool(hints) == bool(said)
        assert all(hint.startswith(said) for hint in hints)


def test_default_routes_are_read_as_the_kernel_prints_them(tmp_path: Path) -> None:
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    (tmp_path / "route").write_text(
        head
        + "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        + "eth1\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert exits(folder=tmp_path) == {"eth0"}


def test_listeners_are_read_as_the_kernel_prints_them(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue\n"
    (tmp_path / "tcp").write_text(
        head
        + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n"
        + "   1: 0B00000A:0050 0100000A:D431 01 00000000:00000000\n"
    )
    (tmp_path / "tcp6").write_text(
        head + "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0\n"
    )
    (tmp_path / "udp").write_text(head + "   0: 0B00000A:0035 00000000:0000 07 00000000:00000000\n")
    assert listening(folder=tmp_path) == {
        (Protocol.TCP, ip_address("127.0.0.1"), 8080),
        (Protocol.TCP, None, 80),
        (Protocol.UDP, OWN, 53),
    }
