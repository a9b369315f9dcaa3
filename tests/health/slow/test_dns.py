"""Checks of kind dns, against unbound."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.health.slow import daemons
from tests.health.slow.conftest import fresh
from tests.health.slow.contract import OverTcp, OverUdp
from tests.health.slow.trial import Result, check
from tests.health.targets import target
from vedette.spec.probes import DnsProbe, Transport

pytestmark = pytest.mark.servers

WWW = DnsProbe("www.example.org", "A", "203.0.113.80")
RECORDS = (
    "example.org. IN SOA ns.example.org. root.example.org. 1 3600 600 86400 300",
    "example.org. IN NS ns.example.org.",
    "example.org. IN MX 10 Mail.example.org.",
    "example.org. IN CAA 0 issue \\042ca.example.net\\042",
    "www.example.org. IN A 203.0.113.80",
    "www.example.org. IN A 203.0.113.81",
    "www.example.org. IN AAAA 2001:db8::80",
    "alias.example.org. IN CNAME www.example.org.",
    "_sip._udp.example.org. IN SRV 10 5 5060 sip.example.org.",
    "80.113.0.203.in-addr.arpa. IN PTR www.example.org.",
    *(f"many.example.org. IN A 198.51.100.{number}" for number in range(1, 200)),
)


@pytest.fixture(scope="session")
def unbound(public: Path) -> Iterator[int]:
    program, folder, port = daemons.needs("unbound"), fresh(public, "unbound"), daemons.free_port_of_both()
    lines = [f"  local-data: '{record}'" for record in RECORDS]
    lines.append("""  local-data: 'txt.example.org. IN TXT "v=spf1 -all"'""")
    (folder / "unbound.conf").write_text(
        f"""server:
  interface: 127.0.0.1
  port: {port}
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: iterator
  max-udp-size: 512
  local-zone: example.org. static
  local-zone: 113.0.203.in-addr.arpa. static
"""
        + "\n".join(lines)
    )
    with daemons.running([program, "-d", "-c", "unbound.conf"], folder, lambda: daemons.answers(port)):
        yield port


class TestOverUdp(OverUdp):
    probe = WWW


class TestOverTcp(OverTcp):
    probe = DnsProbe("www.example.org", "A", transport=Transport.TCP)


def ask(port: int, probe: DnsProbe) -> Result:
    return check(target(port=port, probe=probe))


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(
    ("name", "type_", "expect", "reason"),
    [
        ("www.example.org", "A", "203.0.113.80", "answer 203.0.113.80"),
        ("www.example.org", "A", None, "2 records"),
        ("WWW.example.ORG.", "AAAA", "2001:DB8:0::80", "answer 2001:db8::80"),
        ("alias.example.org", "CNAME", "WWW.example.org", "answer WWW.example.org."),
        ("example.org", "MX", "10 mail.example.org", "answer 10 mail.example.org."),
        ("example.org", "NS", "ns.example.org.", "answer ns.example.org."),
        ("example.org", "SOA", None, "answer ns.example.org. root.example.org. 1 3600 600 86400 300"),
        ("txt.example.org", "TXT", "v=spf1 -all", 'answer "v=spf1 -all"'),
        ("_sip._udp.example.org", "SRV", "10 5 5060 sip.example.org", "answer 10 5 5060 sip.example.org."),
        ("80.113.0.203.in-addr.arpa", "PTR", "www.example.org", "answer www.example.org."),
        ("many.example.org", "A", "198.51.100.199", "answer 198.51.100.199"),
    ],
)
def test_a_record_of_any_type_is_found(
    unbound: int, name: str, type_: str, expect: str | None, reason: str, transport: Transport
) -> None:
    result = ask(unbound, DnsProbe(name, type_, expect, transport))
    assert result.passed, result.reason
    assert result.reason == reason


@pytest.mark.parametrize(
    ("name", "type_", "expect", "reason"),
    [
        ("www.example.org", "A", "192.0.2.1", "the answer is 203.0.113.80, 203.0.113.81, expected 192.0.2.1"),
        (
            "many.example.org",
            "A",
            "192.0.2.1",
            "the answer is 198.51.100.1, 198.51.100.10, 198.51.100.100 and 196 more",
        ),
        ("example.org", "MX", "20 mail.example.org", "the answer is 10 Mail.example.org., expected 20 mail"),
        ("txt.example.org", "TXT", "v=spf1 +all", 'the answer is "v=spf1 -all", expected "v=spf1 +all"'),
        ("gone.example.org", "A", None, "answer NXDOMAIN"),
        ("www.example.org", "MX", None, "no MX record in the answer"),
    ],
)
def test_a_wrong_answer_fails(unbound: int, name: str, type_: str, expect: str | None, reason: str) -> None:
    result = ask(unbound, DnsProbe(name, type_, expect))
    assert not result.passed
    assert result.reason.startswith(reason)


def test_a_record_that_is_none_cannot_be_asked_for(unbound: int) -> None:
    with pytest.raises(ValueError, match="not for DNS"):
        ask(unbound, DnsProbe("www.example.org", "A", "not an address"))
