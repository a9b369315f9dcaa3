"""SMTP and submission: greeting, EHLO, and where the check says so TLS and a login (RFC 5321, 3207, 4954)."""

import base64

from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation
from vedette.spec.probes import Account, SmtpProbe, TlsStart
from vedette.state.health import Target

_SMTP = "SMTP"
_CONTINUE, _LOGGED_IN = 334, 235


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, SmtpProbe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            greeting = await login.reply(conversation, _SMTP, "the greeting")
            if greeting.code != 220:
                raise FailedError(f"SMTP greeting {greeting.text}")
            name = probe.helo or _literal(conversation)
            extensions = await _hello(conversation, name)
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                if "STARTTLS" not in extensions:
                    raise FailedError("the server does not offer STARTTLS")
                await _expect(conversation, "STARTTLS", 220)
                await login.start_tls(conversation, probe.tls, target)
                extensions = await _hello(conversation, name)
            if probe.account is not None:
                await _log_in(conversation, probe.account, extensions)
            passed = Passed("EHLO accepted" if probe.account is None else "login accepted")
            return await conversation.farewell(b"QUIT\r\n", passed)

    return check


def _literal(conversation: Conversation) -> str:
    """Our own address as a name (RFC 5321 section 4.1.3)."""
    address = conversation.local_address
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


async def _expect(conversation: Conversation, words: str, code: int) -> login.Reply:
    answer = await login.command(conversation, _SMTP, words)
    if answer.code != code:
        raise FailedError(f"{words.split(' ')[0]} answered by {answer.text}")
    return answer


async def _hello(conversation: Conversation, name: str) -> dict[str, str]:
    """Say EHLO; returns what the server offers, by its keyword."""
    answer = await _expect(conversation, f"EHLO {name}", 250)
    offers = (line.decode("ascii", "replace").upper().partition(" ") for line in answer.lines[1:])
    return {keyword: parameters for keyword, _, parameters in offers}


async def _log_in(conversation: Conversation, account: Account, extensions: dict[str, str]) -> None:
    mechanisms = extensions.get("AUTH", "").split()
    username, password = account.username, account.password.text
    if "PLAIN" in mechanisms:  # RFC 4616
        initial = _encoded(f"\0{username}\0{password}")
        answer = await login.command(conversation, _SMTP, f"AUTH PLAIN {initial}", "AUTH")
    elif "LOGIN" in mechanisms:
        answer = await login.command(conversation, _SMTP, "AUTH LOGIN")
        for words in (username, password):
            if answer.code == _CONTINUE:
                answer = await login.command(conversation, _SMTP, _encoded(words), "AUTH")
    else:
        raise FailedError("the server offers neither AUTH PLAIN nor AUTH LOGIN here")
    if answer.code != _LOGGED_IN:
        raise FailedError(f"login answered by {answer.text}")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
