"""The reconciler on the kernel's own table, with traffic where counters and destinations must show it."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.ipvs.documents import HTTP, SERVERS, VIP, WEB, at, document, service, verdicts
from tests.ipvs.namespace import CAP_BPF, CAP_SYS_ADMIN, without

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.model import AddressKey
from vedette.ipvs.plan import Action
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.repair import Drift, Repair
from vedette.ipvs.screen.screen import Screen
from vedette.kit.units import SECOND
from vedette.reconcile.outcome import Outcome
from vedette.spec.model.sysctls import IpvsSysctls
from vedette.spec.resolve.kernel import KEPT
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Forwarding,
    Mark,
    OnFailure,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
)
from vedette.state.health import Health

SYSLOG = Endpoint(VIP, 514, Protocol.UDP)
PATIENCE = 20.0
"""Seconds after which a test gives up."""


class Counting(KernelTable):
    """The kernel's table, with a list of all that was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Action] = []

    def perform(self, actions: Sequence[Action]) -> list[Outcome]:
        self.sent += actions
        return super().perform(actions)


def reconciler(folder: Path, table: KernelTable, repairs: list[Repair] | None = None) -> Reconciler:
    return Reconciler(run_dir=folder, driver=table, repaired=(repairs if repairs is not None else []).extend)


def converge(target: Reconciler, spec: ClusterSpec, default: Health = Health.UP, *, complete: bool = True) -> None:
    target.update(spec, verdicts(spec, default=default), complete=complete)
    asyncio.run(target.reconcile())


def ipvsadm(*arguments: str) -> str:
    return subprocess.run(["ipvsadm", *arguments], capture_output=True, text=True, check=True).stdout


def hold(*addresses: str) -> None:
    for address in addresses:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)


def counted(table: KernelTable, key: AddressKey, total: int) -> dict[str, int]:
    """Connections by destination, when the kernel's estimator has counted so many: it does so every two seconds."""
    for _ in range(int(PATIENCE / 0.1)):
        usage = table.inspect().usage[key].destinations
        counts = {str(name): item.counters.connections for name, item in usage.items()}
        if sum(counts.values()) >= total:
            return counts
        time.sleep(0.1)
    raise AssertionError(f"not {total} connections but {counts}")


def test_a_restart_sends_nothing_and_ipvsadm_sees_no_difference(table: KernelTable, tmp_path: Path) -> None:
    spec = document(service(scheduler="mh", scheduler_flags=("port",), persistence_timeout=60 * SECOND))
    converge(reconciler(tmp_path, table), spec)
    before = ipvsadm("-Sn")
    assert before.count("\n") == 4
    again = Counting()
    converge(reconciler(tmp_path, again), spec, Health.UNKNOWN, complete=False)
    converge(reconciler(tmp_path, again), spec)
    assert again.sent == []
    assert ipvsadm("-Sn") == before
    again.close()


def test_a_changed_weight_resets_no_counter(table: KernelTable, tmp_path: Path) -> None:
    hold(str(VIP), *(str(server.address) for server in SERVERS))
    spec = document(service(endpoints=(SYSLOG,), scheduler="rr", checks=()))
    key = AddressKey(SYSLOG.protocol, SYSLOG.address, SYSLOG.port)
    target = reconciler(tmp_path, table)
    converge(target, spec)
    for _ in range(6):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", (str(VIP), SYSLOG.port))
    before = counted(table, key, 6)
    assert set(before.values()) == {2}
    heavier = (SERVERS[0], replace(SERVERS[1], weight=5), SERVERS[2])
    converge(target, document(replace(spec.virtual_services[0], real_servers=heavier), digest="2"))
    assert counted(table, key, 6) == before
    assert table.observe()[key].destinations[at("10.0.0.12", 514)].weight == 5


def test_the_page_of_the_director_itself_is_reached_when_all_servers_are_down(
    table: KernelTable, tmp_path: Path
) -> None:
    hold(str(VIP))
    page = SorryServer(page=SorryPage(503, "sorry"))
    spec = document(service(sorry=page, on_failure=OnFailure.QUIESCE))
    converge(reconciler(tmp_path, table), spec, Health.DOWN)
    with socket.create_server((str(VIP), HTTP.port)) as server:
        server.settimeout(PATIENCE)
        with socket.create_connection((str(VIP), HTTP.port), timeout=PATIENCE):
            server.accept()[0].close()
    assert counted(table, WEB, 1)[f"{VIP}:80"] == 1


@pytest.mark.parametrize(
    ("damage", "drift"),
    [
        (["-C"], Drift.MISSING),
        (["-D", "-t", f"{VIP}:80"], Drift.MISSING),
        (["-d", "-t", f"{VIP}:80", "-r", "10.0.0.12:80"], Drift.MISSING),
        (["-e", "-t", f"{VIP}:80", "-r", "10.0.0.12:80", "-m", "-w", "50"], Drift.CHANGED),
        (["-E", "-t", f"{VIP}:80", "-s", "rr"], Drift.CHANGED),
        (["-a", "-t", f"{VIP}:80", "-r", "10.0.0.66:80", "-m"], Drift.FOREIGN),
    ],
)
def test_what_ipvsadm_breaks_is_put_right_by_itself(
    table: KernelTable, tmp_path: Path, damage: list[str], drift: Drift
) -> None:
    async def scenario() -> tuple[Repair, ...]:
        heard: asyncio.Future[tuple[Repair, ...]] = asyncio.get_running_loop().create_future()
        target = Reconciler(run_dir=tmp_path, driver=table, repaired=heard.set_result)
        spec = document(service())
        target.update(spec, verdicts(spec), complete=True)
        await target.reconcile()
        before = ipvsadm("-Sn")
        running = asyncio.create_task(target.run())
        ipvsadm(*damage)
        assert ipvsadm("-Sn") != before
        found = await asyncio.wait_for(heard, PATIENCE)
        assert ipvsadm("-Sn") == before
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return found

    (repair,) = asyncio.run(scenario())
    assert (repair.service, repair.drift) == (WEB, drift)


def test_time_outs_and_sysctls_reach_the_kernel(table: KernelTable, tmp_path: Path) -> None:
    spec = document(service())
    spec = replace(spec, ipvs_timeouts=replace(spec.ipvs_timeouts, udp=15 * SECOND))
    converge(reconciler(tmp_path, table), spec)
    assert ipvsadm("-L", "--timeout").split()[-1] == "15"
    kept = {name: Path(f"/proc/sys/net/ipv4/vs/{name}") for name in KEPT}
    assert {name: int(path.read_text()) for name, path in kept.items()} == KEPT


def test_every_sysctl_that_a_document_may_set_is_one_of_the_kernel_and_drift_is_put_right(
    table: KernelTable, tmp_path: Path
) -> None:
    wanted = dict.fromkeys(IpvsSysctls.model_fields, 1)
    spec = replace(document(service()), ipvs_sysctls=wanted)
    target = reconciler(tmp_path, table)
    converge(target, spec)
    assert target.problems() == []
    conntrack = Path("/proc/sys/net/ipv4/vs/conntrack")
    assert conntrack.read_text().strip() == "1"
    conntrack.write_text("0")
    converge(target, spec)
    assert conntrack.read_text().strip() == "1"


def test_a_sysctl_that_this_kernel_lacks_is_named_and_all_others_are_set(table: KernelTable, tmp_path: Path) -> None:
    target = reconciler(tmp_path, table)
    converge(target, replace(document(service()), ipvs_sysctls={"nonesuch": 1, "conntrack": 1}))
    assert target.problems() == [("IPVS settings", "this kernel has no net.ipv4.vs.nonesuch")]
    assert Path("/proc/sys/net/ipv4/vs/conntrack").read_text().strip() == "1"


def test_a_scheduler_that_this_kernel_lacks_costs_no_other_service(table: KernelTable, tmp_path: Path) -> None:
    """Debian builds its kernels for User Mode Linux without ip_vs_twos."""
    target = reconciler(tmp_path, table)
    missing = service(name="twos", endpoints=(replace(HTTP, port=81),), scheduler="twos")
    converge(target, document(missing, service()))
    ((scope, reason),) = target.problems()
    assert scope == f"IPVS service tcp {VIP}:81"
    assert "ip_vs_twos" in reason
    assert [str(key) for key in table.observe()] == [f"tcp {VIP}:80"]


def test_the_kernel_has_no_tunnel_into_the_other_family_while_connections_are_synchronised(
    table: KernelTable, tmp_path: Path
) -> None:
    """Which is why documents may not have both."""
    far = RealServer(ip_address("2001:db8::11"))
    tunnelled = service(real_servers=(far, SERVERS[0]), forwarding=Forwarding.TUNNEL, checks=())
    ipvsadm("--start-daemon", "master", "--mcast-interface", "lo")
    target = reconciler(tmp_path, table)
    converge(target, document(tunnelled))
    ((_, reason),) = target.problems()
    assert "sync daemon" in reason
    assert list(table.observe()[WEB].destinations) == [at("10.0.0.11")]
    ipvsadm("--stop-daemon", "master")


def test_without_the_right_to_load_programs_the_table_is_kept_all_the_same(table: KernelTable, tmp_path: Path) -> None:
    """Vedette's own marks need BPF; what else the document says does not."""
    by_mark = service(name="range", endpoints=(replace(HTTP, last_port=1000),), mark=Mark(4, 7, ours=True))
    spec = document(by_mark, service(name="web", endpoints=(replace(HTTP, port=8080),)))
    screen = Screen()
    target = Reconciler(run_dir=tmp_path, driver=table, screen=screen)
    with without(CAP_SYS_ADMIN, CAP_BPF):
        converge(target, spec)
    screen.close()
    ((scope, reason),) = target.problems()
    assert scope == "IPVS packets"
    assert "BPF" in reason
    assert len(table.observe()) == 2
