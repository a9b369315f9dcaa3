"""Which drills a document can be put through, and why not the others."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from vedette.kit.units import SECOND
from vedette.lab.drills import catalogue
from vedette.lab.drills.fencing import levels_lost
from vedette.lab.drills.ground import Ground
from vedette.spec.resolved import (
    ClusterSpec,
    ConnectionSync,
    Forwarding,
    Role,
    SplitBrainPolicy,
    Via,
    VirtualService,
    Watchdog,
)

MakeGround = Callable[[ClusterSpec], Ground]
MakeCluster = Callable[..., ClusterSpec]
Make = Callable[..., VirtualService]
DRILLS = {drill.name: drill for drill in catalogue.ALL}
SYNC = {"connections-survive-move", "connections-survive-power-cut"}
SEAMLESS = {"move-loses-nothing"}
THROUGH = {"real-server-loses-vip"}
FENCING = {"fence-second-level", "fence-tried", "fence-unreachable", "total-partition", "fenced-node-returns"}


def skipped(ground: Ground) -> dict[str, str]:
    return {name: reason for name, drill in DRILLS.items() if (reason := drill.skip(ground)) is not None}


def test_two_routers_and_a_witness_go_through_everything_but_what_needs_more_cables(
    make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    cables = {"link-cut-each", "server-link-cut"}
    assert set(skipped(make_ground(make_cluster()))) == {
        *cables,
        "watchdog-bites",
        "power-cut-two",
        *FENCING,
        *SYNC,
        *SEAMLESS,
        *THROUGH,
    }


def test_two_lose_their_power_at_once_where_a_majority_is_left(
    make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    five = tuple((f"r{number}", Role.DIRECTOR) for number in range(1, 6))
    assert "power-cut-two" not in skipped(make_ground(make_cluster(nodes=five)))
    assert "five voters" in skipped(make_ground(make_cluster(nodes=five[:4])))["power-cut-two"]


def test_a_watchdog_is_drilled_where_the_document_has_one(make_ground: MakeGround, make_cluster: MakeCluster) -> None:
    spec = replace(make_cluster(), watchdog=Watchdog("/dev/watchdog", 10 * SECOND))
    assert "watchdog-bites" not in skipped(make_ground(spec))


def test_a_spare_link_is_cut_and_one_that_carries_traffic_is_not(
    make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    ground = make_ground(make_cluster())
    ground = replace(ground, link_networks={"lan": "lan", "cross": "cross"}, inner_networks=frozenset({"lan"}))
    assert skipped(ground).keys() == FENCING | SYNC | SEAMLESS | THROUGH | {"watchdog-bites", "power-cut-two"}
    assert ground.idle_links == ["cross"]


def test_a_link_over_the_clients_network_is_not_cut_as_a_heartbeat_link(
    make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    ground = replace(make_ground(make_cluster()), link_networks={"lan": "net"})
    assert "link-cut-all" in skipped(ground)


def test_a_single_director_is_put_through_what_concerns_it_alone(
    make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    spec = make_cluster(nodes=(("r1", Role.DIRECTOR),), policy=SplitBrainPolicy.TOLERATE)
    applied = DRILLS.keys() - skipped(make_ground(spec)).keys()
    assert applied == {
        *("vip-deleted", "ipvs-flushed", "good-edit", "bad-edit", "daemon-restarted", "daemon-replaced"),
        *("real-server-dies", "real-server-hangs", "real-server-500", "all-servers-die"),
        *("checker-killed", "director-killed"),
    }


def test_without_a_witness_its_power_is_not_cut(make_ground: MakeGround, make_cluster: MakeCluster) -> None:
    spec = make_cluster(nodes=(("r1", Role.DIRECTOR), ("r2", Role.DIRECTOR)), policy=SplitBrainPolicy.TOLERATE)
    assert skipped(make_ground(spec))["power-cut-witness"] == "the document has no witness"


def test_a_connect_check_does_not_notice_hangs_and_errors(
    make_ground: MakeGround, make_cluster: MakeCluster, make_service: Make
) -> None:
    reasons = skipped(make_ground(make_cluster(make_service(http=False))))
    assert {"real-server-hangs", "real-server-500"} <= reasons.keys()
    assert "real-server-dies" not in reasons


def test_a_service_without_a_page_is_not_left_without_servers(
    make_ground: MakeGround, make_cluster: MakeCluster, make_service: Make
) -> None:
    plain = replace(make_service(), sorry=None)
    assert "all-servers-die" in skipped(make_ground(make_cluster(plain)))
    shared = make_cluster(make_service("a"), replace(plain, name="b"))
    assert "all-servers-die" not in skipped(make_ground(shared))


def test_two_routers_that_fence_go_through_what_is_about_fencing(make_fencing: Callable[[], Ground]) -> None:
    ground = make_fencing()
    assert not skipped(ground).keys() & FENCING
    assert "see total-partition" in skipped(ground)["link-cut-all"]


def test_devices_that_the_lab_has_not_are_not_drilled(make_fencing: Callable[[], Ground]) -> None:
    without = replace(make_fencing(), devices=frozenset({"bmc1", "bmc2"}))
    assert skipped(without).keys() & FENCING == {"fence-second-level"}
    assert skipped(replace(without, devices=frozenset({"bmc1"}))).keys() & FENCING == FENCING


def test_what_is_built_into_a_router_is_lost_with_its_power(make_fencing: Callable[[], Ground]) -> None:
    assert levels_lost(make_fencing()) == 1


@pytest.mark.parametrize("name", sorted(DRILLS))
def test_every_drill_that_applies_says_what_it_expects(
    name: str, make_ground: MakeGround, make_cluster: MakeCluster
) -> None:
    ground = make_ground(make_cluster())
    if DRILLS[name].skip(ground) is None:
        expected = DRILLS[name].expect(ground)
        assert expected.reason
        assert expected.gap > 0
        assert DRILLS[name].expect_healing(ground).gap > 0


def test_connections_are_drilled_where_they_are_kept_in_step(
    make_ground: MakeGround, make_cluster: MakeCluster, make_service: Make
) -> None:
    spec = replace(make_cluster(), connection_sync=ConnectionSync("cross", ip_address("224.0.0.81")))
    assert not skipped(make_ground(spec)).keys() & SYNC
    alone = make_cluster(nodes=(("r1", Role.DIRECTOR),), policy=SplitBrainPolicy.TOLERATE)
    assert skipped(make_ground(replace(alone, connection_sync=spec.connection_sync))).keys() >= SYNC


def test_a_lost_virtual_address_is_drilled_where_checks_go_the_way_of_clients(
    make_ground: MakeGround, make_cluster: MakeCluster, make_service: Make
) -> None:
    plain = make_service()
    through = replace(plain, checks=tuple(replace(check, via=Via.SERVICE) for check in plain.checks))
    routed = replace(through, forwarding=Forwarding.DIRECT_ROUTING)
    assert not skipped(make_ground(make_cluster(routed))).keys() & THROUGH
    alone = replace(routed, real_servers=routed.real_servers[:1])
    direct = replace(plain, forwarding=Forwarding.DIRECT_ROUTING)
    for other in (through, direct, alone):
        assert skipped(make_ground(make_cluster(other))).keys() >= THROUGH


def test_a_move_without_loss_needs_mh_and_the_clients_port(
    make_ground: MakeGround, make_cluster: MakeCluster, make_service: Make
) -> None:
    hashed = replace(make_service(scheduler="mh"), forwarding=Forwarding.DIRECT_ROUTING)
    seamless = replace(hashed, scheduler_flags=("port",))
    assert skipped(make_ground(make_cluster(hashed))).keys() >= SEAMLESS
    assert not skipped(make_ground(make_cluster(seamless))).keys() & SEAMLESS
    masqueraded = replace(seamless, forwarding=Forwarding.MASQUERADE)
    assert skipped(make_ground(make_cluster(masqueraded))).keys() >= SEAMLESS
