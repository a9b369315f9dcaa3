"""Checks of kind ftp and nntp, against vsftpd and leafnode."""

import asyncio
from dataclasses import replace

import pytest

from tests.health.slow import hostile
from tests.health.slow.conftest import Certified, Vsftpd
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import Result, attempt, check
from tests.health.targets import target
from vedette.spec.probes import Account, Encryption, FtpProbe, NntpProbe, TlsStart
from vedette.spec.resolved import Probe
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers


class TestFtp(OverTcp):
    probe = FtpProbe(path="/state")


class TestNntp(OverTcp):
    probe = NntpProbe(group="local.test")


def ask(port: int, probe: Probe) -> Result:
    return check(target(port=port, probe=probe))


def test_vsftpd_is_up(vsftpd: Vsftpd, certified: Certified) -> None:
    account = Account(vsftpd.user, Secret(vsftpd.password))
    assert ask(vsftpd.ftp, FtpProbe()).reason == "greeting 220"
    assert ask(vsftpd.ftp, FtpProbe(account=account)).reason == "login accepted"
    assert ask(vsftpd.ftp, FtpProbe(account=account, path="/state")).reason == "/state fetched"
    assert ask(vsftpd.ftp, FtpProbe(account=account, path="state", expect="^in service$")).reason == "state matches"
    assert ask(vsftpd.ftp, FtpProbe(account=account, path="/large", expect="xxx")).reason == "/large matches"
    secure = Encryption(start=TlsStart.STARTTLS, ca_file=certified.ca)
    assert ask(vsftpd.ftp, FtpProbe(tls=secure, account=account)).reason == "login accepted"


def test_a_file_is_fetched_over_tls_from_a_server_that_wants_the_same_session(
    vsftpd_over_tls: Vsftpd, certified: Certified
) -> None:
    """vsftpd ends a data connection that does not resume the session (require_ssl_reuse, its default)."""
    account = Account(vsftpd_over_tls.user, Secret(vsftpd_over_tls.password))
    secure = Encryption(start=TlsStart.STARTTLS, ca_file=certified.ca)

    def fetch(path: str, expect: str | None = None) -> Result:
        return ask(vsftpd_over_tls.ftp, FtpProbe(tls=secure, account=account, path=path, expect=expect))

    assert fetch("/state", "^in service$").reason == "/state matches"
    assert fetch("/large", "xxx").reason == "/large matches"
    assert not fetch("/state", "out of service").passed
    in_the_clear = ask(vsftpd_over_tls.ftp, FtpProbe(account=account, path="/state"))
    assert in_the_clear.reason.startswith("login answered by 530")


def test_what_vsftpd_says_against_a_check_is_the_reason(vsftpd: Vsftpd) -> None:
    account = Account(vsftpd.user, Secret(vsftpd.password))
    wrong = ask(vsftpd.ftp, FtpProbe(account=Account(vsftpd.user, Secret("falsch@0815"))))
    assert wrong.reason == "login answered by 530 Login incorrect."
    absent = ask(vsftpd.ftp, FtpProbe(account=account, path="/absent"))
    assert absent.reason == "RETR /absent answered by 550 Failed to open file."
    other = ask(vsftpd.ftp, FtpProbe(account=account, path="/state", expect="out of service"))
    assert other.reason == "the file does not match"
    assert not any(result.passed for result in (wrong, absent, other))


def test_leafnode_is_up(leafnode: int) -> None:
    assert ask(leafnode, NntpProbe()).reason == "greeting 200"
    assert ask(leafnode, NntpProbe(group="local.test")).reason == "local.test is there"


def test_what_leafnode_says_against_a_check_is_the_reason(leafnode: int) -> None:
    absent = ask(leafnode, NntpProbe(group="local.absent"))
    assert absent.reason == "GROUP local.absent answered by 411 No such group"
    unknown = ask(leafnode, NntpProbe(account=Account("karl", Secret("geheim"))))
    assert unknown.reason == "login answered by 500 Unknown command"
    assert not absent.passed
    assert not unknown.passed


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((b"381 go on", b"281 welcome"), "login accepted"),
        ((b"281 welcome",), "login accepted"),
        ((b"381 go on", b"481 wrong"), "login answered by 481 wrong"),
        ((b"483 TLS first",), "login answered by 483 TLS first"),
    ],
)
def test_a_news_login_has_one_step_or_two(answers: tuple[bytes, ...], reason: str) -> None:
    said: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"201 no posting\r\n")
        for answer in answers:
            said.append(await reader.readline())
            writer.write(answer + b"\r\n")
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(server) as port:
            return await attempt(target(port=port, probe=NntpProbe(account=Account("karl", Secret("geheim 47")))))

    assert asyncio.run(scenario()).reason == reason
    assert said == [b"AUTHINFO USER karl\r\n", b"AUTHINFO PASS geheim 47\r\n"][: len(answers)]


def test_a_file_server_cannot_send_us_elsewhere() -> None:
    """The address in the answer to PASV is ignored: else any FTP server could have us connect to any machine."""

    async def scenario() -> Result:
        async def data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"content")

        async with hostile.tcp(data) as data_port:
            high, low = divmod(data_port, 256)
            answers = {
                b"USER": b"230-Welcome\r\n to this\r\n 230 server\r\n230 in",
                b"TYPE": b"200 binary",
                b"EPSV": b"500 what?",
                b"PASV": b"227 Entering Passive Mode (192,0,2,1,%d,%d)" % (high, low),
                b"RETR": b"150 here",
                b"QUIT": b"226 sent",
            }

            async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"120 in a minute\r\n220 ready\r\n")
                while line := await reader.readline():
                    writer.write(answers[line[:4]] + b"\r\n")
                    if line.startswith(b"RETR"):
                        writer.write(b"226 sent\r\n")

            async with hostile.tcp(server) as port:
                return await attempt(target(port=port, probe=FtpProbe(path="/x", expect="^content$")))

    assert asyncio.run(scenario()).reason == "/x matches"


def test_tls_from_the_beginning_is_not_what_a_plain_server_speaks(vsftpd: Vsftpd) -> None:
    implicit = replace(Encryption(start=TlsStart.IMPLICIT), verify=False)
    assert ask(vsftpd.ftp, FtpProbe(tls=implicit)).reason == "not a TLS answer"
