"""FTP: greeting, and where the check says so TLS, a login and a file (RFC 959, 2428, 4217).

With TLS the file is fetched over TLS too (PROT P), in the session of the control connection, as servers demand.
"""

import re
from dataclasses import replace

from vedette.health.body import Matcher, TooCostlyError
from vedette.health.slow import login, tls
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation, connect
from vedette.health.slow.resuming import Resuming
from vedette.spec.probes import Account, FtpProbe, TlsStart
from vedette.spec.secret import Secret
from vedette.state.health import Target

LARGEST = 64 << 10
"""Bytes of a file that are fetched."""
ANONYMOUS = Account("anonymous", Secret("vedette@"))
_FTP = "FTP"
_EXTENDED_PORT = re.compile(rb"\(([!-~])\1\1([0-9]{1,5})\1\)")
_PORT = re.compile(rb"(?:[0-9]{1,3},){4}([0-9]{1,3}),([0-9]{1,3})")


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, FtpProbe)
    matcher = None if probe.expect is None else Matcher(probe.expect)
    account = probe.account or (ANONYMOUS if probe.path is not None else None)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            await _greet(conversation)
            passed = "greeting 220"
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                await _expect(conversation, "AUTH TLS", 234)
                await login.start_tls(conversation, probe.tls, target)
            if account is not None:
                await _log_in(conversation, account)
                passed = "login accepted"
            if probe.path is not None:
                content = await _fetch(conversation, target, progress, probe)
                _judge(content, matcher)
                passed = f"{probe.path} {'fetched' if matcher is None else 'matches'}"
            return await conversation.farewell(b"QUIT\r\n", Passed(passed))

    return check


async def _greet(conversation: Conversation) -> None:
    greeting = await login.reply(conversation, _FTP, "the greeting")
    if greeting.code == 120:  # "service ready in nnn minutes": the real one follows
        greeting = await login.reply(conversation, _FTP, "the greeting")
    if greeting.code != 220:
        raise FailedError(f"FTP greeting {greeting.text}")


async def _log_in(conversation: Conversation, account: Account) -> None:
    answer = await login.command(conversation, _FTP, f"USER {account.username}")
    if answer.code == 331:
        answer = await login.command(conversation, _FTP, f"PASS {account.password.text}", "PASS")
    if answer.code not in (230, 232):
        raise FailedError(f"login answered by {answer.text}")


async def _fetch(conversation: Conversation, target: Target, progress: Progress, probe: FtpProbe) -> bytes:
    """Return the beginning of a file, over a connection of its own to the same address."""
    path, control = probe.path, conversation.tls
    if control is not None:
        await _expect(conversation, "PBSZ 0", 200)
        await _expect(conversation, "PROT P", 200)
    await _expect(conversation, "TYPE I", 200)
    port = await _passive(conversation)
    async with connect(replace(target, port=port), progress) as data:
        answer = await login.command(conversation, _FTP, f"RETR {path}")
        if answer.code not in (125, 150):
            raise FailedError(f"RETR {path} answered by {answer.text}")
        if control is not None and probe.tls is not None:
            await data.start_tls(Resuming(control), tls.name(probe.tls, target))
        content = b""
        while len(content) < LARGEST and (part := await data.some("the file")):
            content += part
    if len(content) < LARGEST:
        answer = await login.reply(conversation, _FTP, "the end of the transfer")
        if answer.code not in (226, 250):
            raise FailedError(f"RETR {path} ended by {answer.text}")
    return content


async def _passive(conversation: Conversation) -> int:
    """Ask for a port to fetch from. The address in an old answer is not looked at: it may be anybody's."""
    answer = await login.command(conversation, _FTP, "EPSV")
    if answer.code == 229 and (found := _EXTENDED_PORT.search(answer.lines[-1])):
        port = int(found[2])
    else:
        answer = await _expect(conversation, "PASV", 227)
        old = _PORT.search(answer.lines[-1])
        port = int(old[1]) * 256 + int(old[2]) if old else 0
    if not 0 < port <= 65535:
        raise FailedError(f"no port in {answer.text}")
    return port


def _judge(content: bytes, matcher: Matcher | None) -> None:
    try:
        if matcher is not None and not matcher.found_in(content):
            raise FailedError("the file does not match")
    except TooCostlyError:
        raise FailedError("the pattern for the file takes too long: simplify it") from None


async def _expect(conversation: Conversation, words: str, code: int) -> login.Reply:
    answer = await login.command(conversation, _FTP, words)
    if answer.code != code:
        raise FailedError(f"{words} answered by {answer.text}")
    return answer
