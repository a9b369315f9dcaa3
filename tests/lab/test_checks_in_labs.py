"""What a lab makes of checks: files in place of those that they name, and what its stand-ins cannot do."""

import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.spec.documents import NODES, document, resolve

from vedette.health.tls import Connection
from vedette.kit.units import SECOND
from vedette.lab import derive, standins
from vedette.lab.credentials import FOLDER, SERVERS, Credentials
from vedette.lab.servers import Secure
from vedette.lab.topology import Listener
from vedette.spec.resolved import HealthCheck, Probe, UdpProbe

HTTPS = (
    "https: {host: shop.mydomain.tld, caFile: ca.pem, certificateFile: probe.pem, keyFile: probe.key,"
    " username: u, password: {secretFile: password}}"
)
CHECK = {
    "https": {
        "host": "shop.mydomain.tld",
        "caFile": "ca.pem",
        "certificateFile": "probe.pem",
        "keyFile": "probe.key",
        "password": {"secretFile": "password"},
    }
}
NETWORK = NODES.replace("10.0.0.2}", "10.0.0.2, interfaces: {lan: eth0}}")
GROUPS = (
    "[{addresses: [{name: public, address: 203.0.113.80/24, interface: net}, {name: gateway, address: 10.0.0.1/24}]}]"
)


def text(check: str, port: str = "443") -> str:
    service = f"{{addresses: [public], ports: [{port}], realServers: [{{address: 10.0.0.11}}], checks: [{{{check}}}]}}"
    return document(f"virtualServices: [{service}]", nodes=NETWORK, groups=GROUPS)


def test_the_files_of_a_check_are_the_labs_own_and_fit_each_other(tmp_path: Path) -> None:
    topology = derive.topology(resolve(text(HTTPS)))
    values = {"spec": {"virtualServices": [{"checks": [CHECK]}]}}
    made = Credentials(tmp_path, topology, values).make()
    assert set(made) == {"ca.pem", "probe.pem", "probe.key", "password"}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    ours = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    ours.load_cert_chain(tmp_path / "probe.pem", tmp_path / "probe.key")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / FOLDER / f"{SERVERS}.pem", tmp_path / FOLDER / f"{SERVERS}.key")
    for name in ("shop.mydomain.tld", "10.0.0.11"):
        client, server = Connection(ours, name), Secure(theirs)
        while not client.established:
            server.receive(client.unsent())
            client.receive(server.send(b""))


def test_checks_of_mail_and_programs_have_their_files_too(tmp_path: Path) -> None:
    smtp = {"smtp": {"tls": "starttls", "caFile": "ca.pem", "username": "u", "password": {"secretFile": "password"}}}
    exec_ = {"exec": {"command": ["/bin/true"], "secretFiles": {"TOKEN": "token"}}}
    topology = derive.topology(resolve(text("smtp: {}", "25")))
    made = Credentials(tmp_path, topology, {"spec": {"checks": [smtp, exec_]}}).make()
    assert set(made) == {"ca.pem", "password", "token"}
    assert b"CERTIFICATE" in made["ca.pem"]


def test_a_lab_without_such_checks_makes_nothing(tmp_path: Path) -> None:
    topology = derive.topology(resolve(text("tcp: {}")))
    assert Credentials(tmp_path, topology, {"spec": {"virtualServices": [{"checks": [{"tcp": {}}]}]}}).make() == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("check", "note"),
    [
        (HTTPS, ""),
        ("https: {verify: false}", ""),
        ("https: {}", "its certificate is not one that the system trusts (name a `caFile`)"),
        ("http: {protocol: HTTP/2}", "it does not speak HTTP/2"),
        (f"http: {{expect: {{digest: 'md5:{'0' * 32}'}}}}", "its pages have another digest"),
        ("udp: {send: hello, expect: hello}", ""),
        ("udp: {send: hello, expect: OK}", "it answers datagrams with what they say"),
        ("ping: {}", ""),
    ],
)
def test_what_stand_ins_cannot_do_is_said(check: str, note: str) -> None:
    notes = derive.topology(resolve(text(check))).notes
    wanted = [f"the stand-in for 10.0.0.11 cannot pass its check: {note}"] if note else []
    assert [found for found in notes if "cannot pass" in found] == wanted


@pytest.mark.parametrize(("probe", "listener"), [(UdpProbe(), Listener(7, "udp"))])
def test_a_datagram_check_has_somebody_to_talk_to(probe: Probe, listener: Listener) -> None:
    spec = resolve(text("udp: {}, port: 7"))
    assert spec.virtual_services[0].checks == (HealthCheck(probe, 2 * SECOND, SECOND, 2, 3, port=7),)
    assert listener in standins.of(spec)[ip_address("10.0.0.11")].listeners
