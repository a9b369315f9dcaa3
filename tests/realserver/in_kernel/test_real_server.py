"""Real servers behind a real director: what the client sees, and what is left of us afterwards."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.realserver.in_kernel.conftest import Field

from vedette.lab import namespace
from vedette.realserver import diagnosis
from vedette.realserver.journal import FILE
from vedette.realserver.model import Device, Kind, Port, Put, Wanted

VIP, VIP6 = ip_address("10.9.0.80"), ip_address("fd09::80")
OWN, OWN6 = ip_address("10.9.0.11"), ip_address("fd09::11")
BOTH = Wanted(vips={VIP: ("web",), VIP6: ("web",)})


def _tunnel(kind: Kind, vip: object, own: object, *, checksum: bool = False, port: int = 0) -> Wanted:
    address = ip_address(str(vip))
    local = ip_address(str(own))
    ports = frozenset({Port(local.version, port)}) if port else frozenset()
    return Wanted({address: ("web",)}, {Device(kind, local, checksum): frozenset({address})}, ports)


FALLBACKS = {"tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip6gre0"}
"""What the kernel makes by itself when a module is loaded."""
TUNNELS = {
    "ipip": (_tunnel(Kind.IPIP, VIP, OWN), "-i"),
    "ipv6 in ipv4": (_tunnel(Kind.SIT, VIP6, OWN), "-i"),
    "ipv4 in ipv6": (_tunnel(Kind.IP6TNL, VIP, OWN6), "-i"),
    "ipv6 in ipv6": (_tunnel(Kind.IP6TNL, VIP6, OWN6), "-i"),
    "gre": (_tunnel(Kind.GRE, VIP, OWN), "-i --tun-type gre"),
    "gre with checksums": (_tunnel(Kind.GRE, VIP, OWN, checksum=True), "-i --tun-type gre --tun-csum"),
    "ipv6 in gre": (_tunnel(Kind.GRE, VIP6, OWN), "-i --tun-type gre"),
    "gre over ipv6": (_tunnel(Kind.IP6GRE, VIP6, OWN6), "-i --tun-type gre"),
    "gue": (_tunnel(Kind.IPIP, VIP, OWN, port=6080), "-i --tun-type gue --tun-port 6080 --tun-nocsum"),
    "gue with checksums": (_tunnel(Kind.IPIP, VIP, OWN, port=6081), "-i --tun-type gue --tun-port 6081 --tun-csum"),
    "gue, the other end completes checksums": (
        _tunnel(Kind.IPIP, VIP, OWN, port=6082),
        "-i --tun-type gue --tun-port 6082 --tun-remcsum",
    ),
    "ipv6 in gue": (_tunnel(Kind.SIT, VIP6, OWN, port=6080), "-i --tun-type gue --tun-port 6080 --tun-nocsum"),
    "gue over ipv6": (_tunnel(Kind.IP6TNL, VIP6, OWN6, port=6080), "-i --tun-type gue --tun-port 6080 --tun-nocsum"),
}


def test_a_client_is_served_through_every_kind_of_tunnel(field: Field, tmp_path: Path) -> None:
    """One after the other, as edits of the document change them; a strict reverse path filter holds for all."""
    field.set("all/rp_filter", "1")
    for name, (wanted, how) in TUNNELS.items():
        (vip,), (device,) = wanted.vips, wanted.devices
        field.director.run(["ipvsadm", "-C"])
        field.direct(vip, device.local, *how.split())
        outcome = field.reconcile(wanted, tmp_path)
        assert outcome.refused == {}, name
        assert diagnosis.right(diagnosis.diagnose(wanted, outcome.observed)), name
        assert field.ask(vip) == str(vip), name
    assert field.reconcile(wanted, tmp_path).done == ()


@pytest.mark.parametrize("filter", ["0", "2"])
def test_a_client_is_served_whatever_the_filter(field: Field, tmp_path: Path, filter: str) -> None:
    field.set("all/rp_filter", filter)
    wanted, how = TUNNELS["ipip"]
    field.direct(VIP, OWN, *how.split())
    field.reconcile(wanted, tmp_path)
    assert field.ask(VIP) == str(VIP)


def test_a_client_is_served_by_direct_routing(field: Field, tmp_path: Path) -> None:
    for vip, own in ((VIP, OWN), (VIP6, OWN6)):
        field.direct(vip, own, "-g")
        assert field.ask(vip, patience=0.5) == ""
    field.reconcile(BOTH, tmp_path)
    assert [field.ask(vip) for vip in BOTH.vips] == [str(vip) for vip in BOTH.vips]


def test_only_a_prepared_server_keeps_quiet_about_a_virtual_address(field: Field, tmp_path: Path) -> None:
    namespace.ip([f"address add {VIP}/32 dev lo"], within=field.server)
    assert field.who_has(VIP)
    wrong = diagnosis.diagnose(BOTH, field.observe())
    assert any("would be answered by this machine" in finding.message for finding in wrong)
    field.reconcile(BOTH, tmp_path)
    assert not field.who_has(VIP)
    field.set("eth0/arp_ignore", "4")
    assert field.who_has(VIP), "the kernel takes the greater value, not the stricter one"
    assert not diagnosis.right(diagnosis.diagnose(BOTH, field.observe()))
    field.reconcile(BOTH, tmp_path)
    assert not field.who_has(VIP)


def test_nothing_is_left_after_an_undo(field: Field, tmp_path: Path) -> None:
    field.set("all/arp_announce", "1")
    before = field.observe()
    everything = Wanted(
        {VIP: ("web",), VIP6: ("web",)},
        {
            device: inside
            for wanted, _ in TUNNELS.values()
            for device, inside in wanted.devices.items()
            if not device.checksum
        },
        frozenset(port for wanted, _ in TUNNELS.values() for port in wanted.ports),
    )
    assert field.reconcile(everything, tmp_path).refused == {}
    assert field.reconcile(Wanted(), tmp_path).refused == {}
    after = field.observe()
    names = {link.name for link in after.links.values()} - FALLBACKS
    assert names == {link.name for link in before.links.values()} - FALLBACKS
    assert set(after.addresses) == set(before.addresses)
    assert {name: after.settings[name] for name in before.settings} == before.settings
    assert after.ports == {}
    assert not (tmp_path / FILE).exists()


def test_what_is_ours_is_known_without_the_record(field: Field, tmp_path: Path) -> None:
    wanted, _ = TUNNELS["ipip"]
    before = {link.name for link in field.observe().links.values()}
    field.reconcile(wanted, tmp_path)
    (tmp_path / FILE).unlink()
    field.reconcile(Wanted(), tmp_path)
    after = field.observe()
    assert {link.name for link in after.links.values()} - before <= FALLBACKS
    assert VIP not in after.on(1)


def test_what_others_set_up_stays(field: Field, tmp_path: Path) -> None:
    """A setting that is strict enough, an address that was there, and one that changed meanwhile."""
    field.set("all/arp_ignore", "2")
    namespace.ip([f"address add {VIP}/32 dev lo"], within=field.server)
    outcome = field.reconcile(BOTH, tmp_path)
    assert {step.address for step in outcome.done if isinstance(step, Put)} == {VIP6}
    assert field.get("all/arp_ignore") == "2"
    assert field.get("all/arp_announce") == "2"
    field.set("all/arp_announce", "1")
    field.reconcile(Wanted(), tmp_path)
    assert (field.get("all/arp_ignore"), field.get("all/arp_announce")) == ("2", "1")
    assert VIP in field.observe().on(1)


def test_a_tunnel_that_others_spoil_is_repaired(field: Field, tmp_path: Path) -> None:
    wanted, how = TUNNELS["gue"]
    (device,) = wanted.devices
    field.direct(VIP, OWN, *how.split())
    field.reconcile(wanted, tmp_path)
    for harm in (f"link set {device.name} down", f"link delete {device.name}", f"address delete {VIP}/32 dev lo"):
        namespace.ip([harm], within=field.server)
        field.reconcile(wanted, tmp_path)
        assert field.ask(VIP) == str(VIP), harm
    field.server.run(["ip", "fou", "del", "port", "6080"])
    field.reconcile(wanted, tmp_path)
    assert field.ask(VIP) == str(VIP)


def test_a_server_with_a_vip_opens_connections_as_itself(field: Field, tmp_path: Path) -> None:
    field.reconcile(BOTH, tmp_path)
    for target, own in (("10.9.0.1", OWN), ("fd09::1", OWN6)):
        shown = field.server.run(["ip", "route", "get", target]).stdout
        assert f"src {own}" in shown
