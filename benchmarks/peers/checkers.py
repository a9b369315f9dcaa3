"""Checkers by other people, each checking the same addresses at the same rate. Each yields its process number."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from benchmarks.peers.programs import program, until

FIRST = int(ip_address("127.1.0.0"))
"""The first of the addresses that are checked: as many as there are targets, all on loopback."""


@dataclass(frozen=True, slots=True)
class Work:
    """``kind``: tcp or http; ``rate``: checks a second, over all ``targets``; ``port``: of the server."""

    kind: str
    targets: int
    rate: int
    port: int

    @property
    def interval(self) -> float:
        """Seconds between two checks of one target."""
        return self.targets / self.rate

    def addresses(self) -> Iterator[str]:
        return (str(ip_address(FIRST + number)) for number in range(self.targets))


@contextmanager
def epoll(folder: Path, work: Work) -> Iterator[int]:
    """The least: one C program around epoll."""
    words = [work.kind, str(work.targets), str(work.rate), str(work.port)]
    with program([folder / "epoll", *words]) as process:
        yield process.pid


_KEEPALIVED_CHECK = {
    "tcp": "TCP_CHECK {\n connect_timeout 1\n }",
    "https": 'SSL_GET {\n url {\n path /health\n status_code 200\n regex "status: OK"\n }\n connect_timeout 1\n }',
    "http": 'HTTP_GET {\n url {\n path /health\n status_code 200\n regex "status: OK"\n }\n connect_timeout 1\n }',
}


@contextmanager
def keepalived(folder: Path, work: Work) -> Iterator[int]:
    """Debian's keepalived, its checker alone, with the kernel's table answered by no_ipvs.so."""
    check = _KEEPALIVED_CHECK[work.kind]
    servers = "\n".join(
        f"real_server {address} {work.port} {{\n weight 1\n {check}\n }}" for address in work.addresses()
    )
    config, pid = folder / "keepalived.conf", folder / "checkers.pid"
    config.write_text(
        "virtual_server 127.255.0.1 80 {\n"
        f"delay_loop {work.interval:g}\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{servers}\n}}\n"
    )
    pid.unlink(missing_ok=True)
    command: list[str | Path] = [
        "keepalived",
        "-C",
        "-n",
        "-G",
        "-f",
        config,
        "-r",
        folder / "keepalived.pid",
        "-c",
        pid,
    ]
    with program(command, environment={"LD_PRELOAD": str(folder / "no_ipvs.so")}):
        until(lambda: pid.exists() and pid.read_text().strip())
        yield int(pid.read_text())


@contextmanager
def keepalived_with(folder: Path, places: Sequence[tuple[str, int]], interval: float, removals: Path) -> Iterator[int]:
    """keepalived checking these addresses and ports by TCP, a server being out after its second failure.

    ``removals`` gets the time of every destination that is deleted, as doubles (CLOCK_MONOTONIC, s).
    """
    config, pid = folder / "keepalived.conf", folder / "checkers.pid"
    check = f"TCP_CHECK {{\n connect_timeout 1\n retry 1\n delay_before_retry {interval:g}\n }}"
    servers = "\n".join(f"real_server {address} {port} {{\n weight 1\n {check}\n }}" for address, port in places)
    config.write_text(
        "virtual_server 127.255.0.1 80 {\n"
        f"delay_loop {interval:g}\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{servers}\n}}\n"
    )
    pid.unlink(missing_ok=True)
    command: list[str | Path] = [
        "keepalived", "-C", "-n", "-G", "-f", config, "-r", folder / "keepalived.pid", "-c", pid,
    ]  # fmt: skip
    environment = {"LD_PRELOAD": str(folder / "no_ipvs.so"), "REMOVALS": str(removals)}
    with program(command, environment=environment):
        until(lambda: pid.exists() and pid.read_text().strip())
        yield int(pid.read_text())


@contextmanager
def ldirectord(folder: Path, work: Work) -> Iterator[int]:
    """Debian's ldirectord, where ipvsadm does nothing; it checks one server after the other."""
    kind = "connect" if work.kind == "tcp" else 'negotiate\n\trequest="health"\n\treceive="status: OK"'
    real = "\n".join(f"\treal={address}:{work.port} masq 1" for address in work.addresses())
    config, idle = folder / "ldirectord.cf", folder / "ipvsadm"
    config.write_text(
        f"checktimeout=1\ncheckinterval={max(1, round(work.interval))}\nautoreload=no\nquiescent=yes\n"
        f'logfile="/dev/null"\nvirtual=127.255.0.1:80\n{real}\n\tservice=http\n\tscheduler=rr\n\tprotocol=tcp\n'
        f"\tchecktype={kind}\n"
    )
    idle.write_text("#!/bin/sh\nexit 0\n")
    idle.chmod(0o755)
    tool = subprocess.run(["which", "ipvsadm"], capture_output=True, text=True, check=True).stdout.strip()
    hidden = f"mount --bind {idle} {tool} && exec ldirectord -d {config} start"
    with program(["unshare", "--mount", "sh", "-c", hidden]) as process:
        yield process.pid
