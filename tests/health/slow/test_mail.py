"""Checks of kind smtp, imap and pop3, against postfix and dovecot."""

import asyncio
from dataclasses import replace

import pytest

from tests.health.slow import hostile
from tests.health.slow.conftest import PASSWORD, USER, Certified, Dovecot, Postfix
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import SHORT, Result, attempt, check
from tests.health.targets import target
from vedette.health.slow import conversation
from vedette.kit.units import MINUTE
from vedette.spec.probes import Account, Encryption, ImapProbe, Pop3Probe, SmtpProbe, TlsStart
from vedette.spec.resolved import Probe
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers

GOOD = Account(USER, Secret(PASSWORD))
WRONG = Account(USER, Secret("falsch-0815"))
IMPLICIT, STARTTLS = Encryption(start=TlsStart.IMPLICIT), Encryption(start=TlsStart.STARTTLS)


class TestSmtp(OverTcp):
    probe = SmtpProbe()


class TestSmtpOverTls(OverTcp):
    probe = SmtpProbe(tls=Encryption(start=TlsStart.IMPLICIT, verify=False))


class TestImap(OverTcp):
    probe = ImapProbe(account=GOOD)


class TestPop3(OverTcp):
    probe = Pop3Probe(tls=STARTTLS, account=GOOD)


def ask(port: int, probe: Probe) -> Result:
    result = check(target(port=port, probe=probe))
    for secret in (PASSWORD, "falsch-0815"):
        assert secret not in result.reason
        assert secret not in repr(probe)
    return result


def test_postfix_is_up(postfix: Postfix, certified: Certified) -> None:
    signed = replace(STARTTLS, ca_file=certified.ca)
    assert ask(postfix.smtp, SmtpProbe()).reason == "EHLO accepted"
    assert ask(postfix.smtp, SmtpProbe(helo="router1.example.org", tls=signed)).reason == "EHLO accepted"
    assert ask(postfix.submission, SmtpProbe(tls=signed, account=GOOD)).reason == "login accepted"
    implicit = replace(signed, start=TlsStart.IMPLICIT)
    assert ask(postfix.smtps, SmtpProbe(tls=implicit, account=GOOD)).reason == "login accepted"


def test_what_postfix_says_against_a_check_is_the_reason(postfix: Postfix, certified: Certified) -> None:
    signed = replace(STARTTLS, ca_file=certified.ca)
    refused = ask(postfix.closed, SmtpProbe())
    assert refused.reason == "SMTP greeting 554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied"
    wrong = ask(postfix.submission, SmtpProbe(tls=signed, account=WRONG))
    assert wrong.reason.startswith("login answered by 535 5.7.8 Error: authentication failed")
    clear = ask(postfix.submission, SmtpProbe(account=GOOD))
    assert clear.reason == "the server offers neither AUTH PLAIN nor AUTH LOGIN here"
    assert not any(result.passed for result in (refused, wrong, clear))


@pytest.mark.parametrize("kind", [ImapProbe, Pop3Probe])
def test_dovecot_is_up(dovecot: Dovecot, certified: Certified, kind: type[ImapProbe] | type[Pop3Probe]) -> None:
    plain, secure = (dovecot.imap, dovecot.imaps) if kind is ImapProbe else (dovecot.pop3, dovecot.pop3s)
    signed = replace(STARTTLS, ca_file=certified.ca)
    assert ask(plain, kind()).reason == "greeting OK"
    assert ask(plain, kind(account=GOOD)).reason == "login accepted"
    assert ask(plain, kind(tls=signed, account=GOOD)).reason == "login accepted"
    assert ask(secure, kind(tls=replace(signed, start=TlsStart.IMPLICIT), account=GOOD)).reason == "login accepted"


def test_what_dovecot_says_against_a_check_is_the_reason(dovecot: Dovecot) -> None:
    assert ask(dovecot.imap, ImapProbe(account=WRONG)).reason == (
        "login answered by “NO [AUTHENTICATIONFAILED] Authentication failed.”"
    )
    assert ask(dovecot.pop3, Pop3Probe(account=WRONG)).reason == (
        "login answered by “-ERR [AUTH] Authentication failed.”"
    )


def test_a_certificate_must_be_valid_and_for_that_server(dovecot: Dovecot, certified: Certified) -> None:
    signed = replace(IMPLICIT, ca_file=certified.ca)
    unknown = ask(dovecot.imaps, ImapProbe(tls=IMPLICIT))
    assert unknown.reason == "its certificate is signed by an unknown authority: name that as `caFile`"
    other = ask(dovecot.imaps, ImapProbe(tls=replace(signed, server_name="mail.example.org")))
    assert other.reason == "its certificate is not for mail.example.org: write another `serverName`"
    assert not unknown.passed
    assert not other.passed
    assert ask(dovecot.imaps, ImapProbe(tls=replace(IMPLICIT, verify=False))).passed


def test_a_server_of_another_protocol_is_named(postfix: Postfix, dovecot: Dovecot) -> None:
    assert ask(dovecot.imap, SmtpProbe()).reason.startswith("not SMTP: “* OK ")
    assert ask(postfix.smtp, ImapProbe()).reason == "IMAP greeting “220 mail.example.org ESMTP Postfix”"
    assert ask(dovecot.imap, Pop3Probe()).reason.startswith("POP3 greeting “* OK ")
    assert ask(dovecot.imap, ImapProbe(tls=IMPLICIT)).reason == "not a TLS answer"


def test_words_in_the_clear_behind_starttls_are_not_believed() -> None:
    async def injecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.readline()
        writer.write(b"250-mail\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go on\r\n250-mail\r\n250 AUTH PLAIN\r\n")
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(injecting) as port:
            return await attempt(target(port=port, probe=SmtpProbe(tls=STARTTLS)))

    assert asyncio.run(scenario()).reason == "words in the clear behind the answer to STARTTLS"


@pytest.mark.parametrize(
    ("probe", "greeting", "answers"),
    [(SmtpProbe(), b"220 ready", (b"250 mail",)), (ImapProbe(), b"* OK ready", ()), (Pop3Probe(), b"+OK ready", ())],
)
def test_a_server_that_does_not_say_goodbye_has_passed_all_the_same(
    probe: Probe, greeting: bytes, answers: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "FAREWELL", MINUTE)

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting + b"\r\n")
        for answer in answers:
            await reader.readline()
            writer.write(answer + b"\r\n")
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(server) as port:
            return await attempt(target(port=port, probe=probe), SHORT)

    result = asyncio.run(scenario())
    assert result.expired
    assert result.passed
