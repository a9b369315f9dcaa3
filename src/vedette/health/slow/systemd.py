"""A unit of systemd on this node: it must be active.

systemctl asks systemd over its own socket, so no D-Bus daemon is needed; and it says the same for years, unlike
the D-Bus bindings.
"""

from vedette.health import reasons
from vedette.health.slow import program
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import SystemdProbe
from vedette.state.health import Target

SYSTEMCTL = "/usr/bin/systemctl"
_ACTIVE = (b"active", b"reloading", b"refreshing")
"""What systemctl(1) counts as active, too, while a unit takes up a new configuration."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, SystemdProbe)
    command = (SYSTEMCTL, "is-active", "--", probe.unit)

    async def check(progress: Progress) -> Passed:
        progress.stage = "from systemd"
        ending = await program.run(command, environment={})
        state = ending.printed.strip()
        if state in _ACTIVE:
            return Passed(f"{probe.unit} is {state.decode()}")
        raise FailedError(f"{probe.unit} is {reasons.quoted(state.splitlines()[-1]) if state else 'in no state'}")

    return check
