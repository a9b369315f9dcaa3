"""An external command, by the calling conventions of ldirectord (``external``) and of keepalived (``MISC_CHECK``)."""

from vedette.health.slow import program
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import Arguments, ExecProbe
from vedette.state.health import Advice, Target

FIRST_WEIGHT = 2
"""With a dynamic weight this exit status means 0, the next one 1, and so on (keepalived.conf(5), misc_dynamic)."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, ExecProbe)
    command = (*probe.command, *_arguments(target, probe))
    secrets = {name: secret.text for name, secret in probe.secrets}
    environment = {
        "VEDETTE_ADDRESS": str(target.address),
        "VEDETTE_PORT": str(target.port),
        **dict(probe.environment),
        **secrets,
    }

    async def check(progress: Progress) -> Passed:
        progress.stage = f"from {probe.command[0]}"
        user = await program.user(probe.user, within=target.check.timeout // 2)
        ending = await program.run(command, as_user=user, environment=environment)
        if ending.status == 0:
            return Passed("exit status 0")
        if probe.dynamic_weight and ending.status >= FIRST_WEIGHT:
            weight = ending.status - FIRST_WEIGHT
            return Passed(f"exit status {ending.status}: weight {weight}", Advice(weight, absolute=True))
        raise FailedError(ending.complaint())

    return check


def _arguments(target: Target, probe: ExecProbe) -> tuple[str, ...]:
    server = (str(target.address), str(target.port))
    match probe.arguments:
        case Arguments.NONE:
            return ()
        case Arguments.SERVER:
            return server
        case Arguments.LDIRECTORD:
            assert probe.virtual_address is not None, "filled in for each endpoint"
            return (str(probe.virtual_address), str(probe.virtual_port), *server)
