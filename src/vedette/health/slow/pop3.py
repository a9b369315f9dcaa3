"""POP3: greeting, and where the check says so TLS and a login (RFC 1939, 2595)."""

from vedette.health import reasons
from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation
from vedette.spec.probes import Pop3Probe, TlsStart
from vedette.state.health import Target


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, Pop3Probe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            await _accepted(conversation, "greeting")
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                await conversation.send(b"STLS\r\n")
                await _accepted(conversation, "STLS")
                await login.start_tls(conversation, probe.tls, target)
            if probe.account is not None:
                await conversation.send(f"USER {probe.account.username}\r\n".encode())
                await _accepted(conversation, "USER")
                await conversation.send(f"PASS {probe.account.password.text}\r\n".encode())
                await _accepted(conversation, "login")
            passed = Passed("greeting OK" if probe.account is None else "login accepted")
            return await conversation.farewell(b"QUIT\r\n", passed)

    return check


async def _accepted(conversation: Conversation, what: str) -> None:
    line = await conversation.line("the greeting" if what == "greeting" else f"the answer to {what}")
    if not line.startswith(b"+OK"):
        said = f"“{reasons.quoted(line[:80])}”"
        raise FailedError(f"POP3 greeting {said}" if what == "greeting" else f"{what} answered by {said}")
