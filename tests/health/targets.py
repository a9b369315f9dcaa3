"""Targets for the tests of health."""

from ipaddress import ip_address

from vedette.kit.units import SECOND
from vedette.spec.resolved import HealthCheck, Probe, TcpProbe
from vedette.state.health import Target

TCP = TcpProbe()


def target(
    address: str = "127.0.0.1",
    port: int = 80,
    probe: Probe = TCP,
    *,
    interval: int = SECOND,
    timeout: int = SECOND // 2,
    rise: int = 2,
    fall: int = 3,
) -> Target:
    check = HealthCheck(probe=probe, interval=interval, timeout=timeout, rise=rise, fall=fall)
    return Target(address=ip_address(address), port=port, check=check)
