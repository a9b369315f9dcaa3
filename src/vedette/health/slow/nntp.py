"""NNTP: greeting, and where the check says so TLS, a login and a newsgroup (RFC 3977, 4642, 4643)."""

from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation
from vedette.spec.probes import Account, NntpProbe, TlsStart
from vedette.state.health import Target

_NNTP = "NNTP"


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, NntpProbe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            greeting = await login.reply(conversation, _NNTP, "the greeting")
            if greeting.code not in (200, 201):  # posting allowed, or not
                raise FailedError(f"NNTP greeting {greeting.text}")
            passed = f"greeting {greeting.code}"
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                await _expect(conversation, "STARTTLS", 382)
                await login.start_tls(conversation, probe.tls, target)
            if probe.account is not None:
                await _log_in(conversation, probe.account)
                passed = "login accepted"
            if probe.group is not None:
                await _expect(conversation, f"GROUP {probe.group}", 211)
                passed = f"{probe.group} is there"
            return await conversation.farewell(b"QUIT\r\n", Passed(passed))

    return check


async def _log_in(conversation: Conversation, account: Account) -> None:
    answer = await login.command(conversation, _NNTP, f"AUTHINFO USER {account.username}")
    if answer.code == 381:
        answer = await login.command(conversation, _NNTP, f"AUTHINFO PASS {account.password.text}", "AUTHINFO PASS")
    if answer.code != 281:
        raise FailedError(f"login answered by {answer.text}")


async def _expect(conversation: Conversation, words: str, code: int) -> None:
    answer = await login.command(conversation, _NNTP, words)
    if answer.code != code:
        raise FailedError(f"{words} answered by {answer.text}")
