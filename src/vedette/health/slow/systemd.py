"""A unit of systemd on this node: it must be active.

systemctl asks systemd over its own socket, so no D-Bus daemon is needed; and it says the same for years, unlike
the D-Bus bindings.
"""

from vedette.health import reasons
from vedette.health.aim import BlockedError
from vedette.health.slow import program
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import SystemdProbe
from vedette.state.health import Target

SYSTEMCTL = "/usr/bin/systemctl"
_ACTIVE = ("active", "reloading", "refreshing")
"""The last two: while a unit takes up a new configuration."""
_OTHERWISE = ("inactive", "failed", "activating", "deactivating", "maintenance", "unknown")
"""The other states of a unit (systemctl(1), org.freedesktop.systemd1(5))."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, SystemdProbe)
    command = (SYSTEMCTL, "is-active", "--", probe.unit)

    async def check(progress: Progress) -> Passed:
        progress.stage = "from systemd"
        ending = await program.run(command, environment={})
        said = reasons.quoted(ending.printed)
        if said in _ACTIVE:
            return Passed(f"{probe.unit} is {said}")
        if said in _OTHERWISE:
            raise FailedError(f"{probe.unit} is {said}")
        raise BlockedError(f"systemd cannot be asked: {said or 'systemctl says nothing'}")

    return check
