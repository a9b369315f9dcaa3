"""Checks of kind ldap, against slapd."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.health.slow import daemons, hostile
from tests.health.slow.conftest import PASSWORD, Certified, fresh
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import Result, attempt, check
from tests.health.targets import target
from vedette.kit import ber
from vedette.spec.probes import Account, Depth, Encryption, LdapProbe, TlsStart
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers

BASE, ADMIN = "dc=example,dc=org", "cn=admin,dc=example,dc=org"
GOOD, WRONG = Account(ADMIN, Secret(PASSWORD)), Account(ADMIN, Secret("falsch-0815"))
IMPLICIT, STARTTLS = Encryption(), Encryption(start=TlsStart.STARTTLS)
ENTRIES = f"""dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: cn=Karl (IT),ou=people,{BASE}
objectClass: person
cn: Karl (IT)
sn: Müller

dn: cn=Erna,ou=people,{BASE}
objectClass: person
cn: Erna
sn: Meyer
"""


@dataclass(frozen=True)
class Slapd:
    ldap: int
    ldaps: int


@pytest.fixture(scope="session")
def slapd(public: Path, certified: Certified) -> Iterator[Slapd]:
    program, folder = daemons.needs("slapd"), fresh(public, "slapd")
    ports = Slapd(daemons.free_port(), daemons.free_port())
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    (folder / "data").mkdir()
    (folder / "entries.ldif").write_text(ENTRIES)
    (folder / "slapd.conf").write_text(
        f"""include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {certified.certificate}
TLSCertificateKeyFile {certified.key}
TLSCACertificateFile {certified.ca}
database mdb
suffix "{BASE}"
rootdn "{ADMIN}"
rootpw "{quoted}"
directory {folder}/data
"""
    )
    configuration = str(folder / "slapd.conf")
    added = subprocess.run(
        [daemons.needs("slapadd"), "-f", configuration, "-l", str(folder / "entries.ldif")], capture_output=True
    )
    assert added.returncode == 0, added.stderr
    urls = f"ldap://127.0.0.1:{ports.ldap}/ ldaps://127.0.0.1:{ports.ldaps}/"

    def ready() -> bool:
        return daemons.answers(ports.ldap) and daemons.answers(ports.ldaps)

    with daemons.running([program, "-f", configuration, "-h", urls, "-d", "0"], folder, ready):
        yield ports


class TestContract(OverTcp):
    probe = LdapProbe(account=GOOD)


class TestContractOverTls(OverTcp):
    probe = LdapProbe(tls=Encryption(verify=False))


class TestContractWithStartTls(OverTcp):
    probe = LdapProbe(tls=STARTTLS)


def ask(port: int, probe: LdapProbe) -> Result:
    result = check(target(port=port, probe=probe))
    for secret in (PASSWORD, "falsch-0815"):
        assert secret not in result.reason
        assert secret not in repr(probe)
    return result


def find(filter_: str, depth: Depth = Depth.SUBTREE, base: str = BASE) -> LdapProbe:
    return LdapProbe(base=base, filter=filter_, depth=depth)


def test_slapd_is_up(slapd: Slapd, certified: Certified) -> None:
    signed = replace(STARTTLS, ca_file=certified.ca)
    assert ask(slapd.ldap, LdapProbe()).reason == "search found something"
    assert ask(slapd.ldap, LdapProbe(tls=signed, account=GOOD, base=BASE)).passed
    assert ask(slapd.ldaps, LdapProbe(tls=replace(IMPLICIT, ca_file=certified.ca), account=GOOD)).passed


@pytest.mark.parametrize(
    "filter_",
    [
        "(sn=Meyer)",
        "cn=Erna",
        "(cn=Karl \\28IT\\29)",
        "(sn=Müller)",
        "(&(objectClass=person)(!(cn=Erna))(|(sn=x)(sn=M*l*r)))",
        "(sn~=meyer)",
        "(sn:caseExactMatch:=Meyer)",
        "(ou:dn:=people)",
        "(objectClass=*)",
    ],
)
def test_a_search_finds_what_is_there(slapd: Slapd, filter_: str) -> None:
    result = ask(slapd.ldap, find(filter_))
    assert result.passed, result.reason


def test_what_slapd_says_against_a_check_is_the_reason(slapd: Slapd) -> None:
    answers = {
        "the bind answered by invalidCredentials": LdapProbe(account=WRONG),
        "the search found nothing": find("(sn=Meier)"),
        "the search answered by noSuchObject": find("(sn=Meyer)", base="ou=gone,dc=example,dc=org"),
        "the search answered by invalidDNSyntax: invalid DN": find("(sn=Meyer)", base="no name"),
        "its certificate is signed by an unknown authority: name that as `caFile`": LdapProbe(tls=STARTTLS),
    }
    for reason, probe in answers.items():
        result = ask(slapd.ldap, probe)
        assert not result.passed
        assert result.reason == reason
    assert ask(slapd.ldap, find("(cn=Erna)", Depth.ONE)).reason == "the search found nothing"
    assert ask(slapd.ldap, LdapProbe(tls=IMPLICIT)).reason != "search found something"


def message(number: int, *operation: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.number(number), *operation)


def result(tag: int, code: int, said: bytes = b"") -> bytes:
    empty = ber.element(ber.OCTET_STRING)
    return ber.element(tag, ber.number(code, ber.ENUMERATED), empty, ber.element(ber.OCTET_STRING, said))


BOUND, FOUND, DONE = result(0x61, 0), ber.element(0x64, ber.element(4), ber.element(0x30)), result(0x65, 0)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (message(1, result(0x61, 52, b"going\ndown")), "the bind answered by unavailable: going down"),
        (message(0, result(0x78, 51)), "the server ends the connection: busy"),
        (message(7, BOUND), "the bind answered by a message that nobody asked for"),
        (message(1, DONE), "the bind answered by something else"),
        (message(1, ber.element(0x61, b"\x0a")), "not LDAP"),
        (message(1), "not LDAP"),
        (bytes.fromhex("3084ffffffff"), "an endless answer in place of the answer to the bind"),
        (bytes.fromhex("3080"), "not LDAP"),
        (message(1, BOUND) + message(2, FOUND, DONE) * 1000, "an endless answer to the search"),
        (message(1, BOUND) + message(2, result(0x65, 4)), "the search answered by sizeLimitExceeded"),
    ],
    ids=["down", "notice", "number", "operation", "cut off", "empty", "long", "indefinite", "many", "limit"],
)
def test_a_wrong_answer_fails(said: bytes, reason: str) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(answering) as port:
            return await attempt(target(port=port, probe=LdapProbe()))

    answer = asyncio.run(scenario())
    assert not answer.passed
    assert answer.reason == reason
