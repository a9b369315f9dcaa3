"""What checks of the fast lane mean: defaults, requests, TLS, secrets, and how many must pass."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.spec.documents import document, faults, resolve

from vedette.kit import plain
from vedette.kit.units import DAY, MILLISECOND
from vedette.spec import load
from vedette.spec.load import Report, Secrets
from vedette.spec.resolved import (
    Authentication,
    Credentials,
    HealthCheck,
    HttpProbe,
    HttpRequest,
    PingProbe,
    Secret,
    Tls,
    UdpProbe,
    VirtualService,
)

SECRET = "geheim-4711"


def service(checks: str, *, more: str = "", ports: str = "[80]", settings: str = "") -> VirtualService:
    text = f"{more}\nvirtualServices: [{{ports: {ports}, realServers: [], checks: {checks}{settings}}}]"
    return resolve(document(text)).virtual_services[0]


def only(check: str, *, more: str = "") -> HealthCheck:
    (found,) = service(f"[{{{check}}}]", more=more, ports="[8443]").checks
    return found


def test_https_verifies_and_warns_unless_told_otherwise() -> None:
    assert only("https: {}").probe == HttpProbe(tls=Tls(expiry_warning=14 * DAY))
    found = only("https: {verify: false, expiryWarning: 0s, protocol: HTTP/2}").probe
    assert found == HttpProbe(version="2", tls=Tls(verify=False))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("www.mydomain.tld", "www.mydomain.tld"),
        ("www.mydomain.tld:8443", "www.mydomain.tld"),
        ("10.0.0.1:443", "10.0.0.1"),
        ('"[2001:db8::1]:443"', None),
    ],
)
def test_the_name_of_the_certificate_is_that_of_the_host(host: str, name: str | None) -> None:
    probe = only(f"https: {{host: {host}}}").probe
    assert isinstance(probe, HttpProbe)
    assert probe.tls is not None
    assert probe.tls.server_name == name


def test_files_count_from_the_documents_directory() -> None:
    probe = only("https: {caFile: ca.pem, certificateFile: /etc/c.pem, keyFile: c.key}").probe
    here = Path().absolute()
    assert isinstance(probe, HttpProbe)
    assert probe.tls == Tls(None, True, f"{here}/ca.pem", "/etc/c.pem", f"{here}/c.key", 14 * DAY)


def test_several_requests_take_from_the_check_what_they_do_not_say() -> None:
    written = (
        "method: POST, send: ping, expect: {status: [201]}, requests: "
        "[{path: /a}, {path: /b, method: GET, expect: {bodyAbsent: broken}}, {path: /c, send: pong}]"
    )
    assert (
        "a GET sends no body"
        in faults(document(f"virtualServices: [{{ports: [80], realServers: [], checks: [{{http: {{{written}}}}}]}}]"))[
            0
        ]
    )
    written = written.replace("send: ping, ", "")
    probe = only(f"http: {{{written}}}").probe
    assert isinstance(probe, HttpProbe)
    assert [HttpRequest(*(getattr(item, name) for name in HttpRequest.__slots__)) for item in probe.requests] == [
        HttpRequest("/a", "POST", statuses=((201, 201),)),
        HttpRequest("/b", "GET", body_absent="broken"),
        HttpRequest("/c", "POST", "pong", statuses=((201, 201),)),
    ]


def test_datagrams_are_text_or_bytes() -> None:
    assert only("udp: {send: grüße, expect: ok}").probe == UdpProbe("grüße".encode(), "ok")
    assert only('udp: {sendHex: "00ff 0A"}').probe == UdpProbe(b"\x00\xff\x0a")
    assert only("udp: {}").probe == UdpProbe()


def test_where_a_check_comes_from_is_taken_from_the_nearest_layer() -> None:
    more = "checks: [{name: app, ping: {}, sourceAddress: 10.0.0.2-10.0.0.3, firewallMark: 5, jitter: 100ms}]"
    found = only("use: app, firewallMark: 6", more=more)
    assert found.probe == PingProbe()
    assert found.source == (ip_address("10.0.0.2"), ip_address("10.0.0.3"))
    assert (found.mark, found.jitter) == (6, 100 * MILLISECOND)


def test_how_many_checks_must_pass_and_who_checks() -> None:
    assert service("[{tcp: {}}, {ping: {}}]").checks_required == 0
    assert service("[{tcp: {}}, {ping: {}}]", settings=", checksRequired: 1").checks_required == 1
    assert service("[]").checks_on_standby
    more = "defaults: {virtualServices: {checksOnStandby: false}}"
    assert not service("[]", more=more).checks_on_standby
    assert service("[]", more=more, settings=", checksOnStandby: true").checks_on_standby


def test_a_check_crosses_the_pipe_as_it_is() -> None:
    for check in (
        "https: {requests: [{path: /a}, {path: /b}], host: a}, sourceAddress: 10.0.0.2",
        'udp: {sendHex: "00"}',
        "ping: {}, firewallMark: 7",
    ):
        found = only(check)
        assert plain.load(HealthCheck, plain.dump(found)) == found


# Secrets


def read(folder: Path, check: str, *, mode: int = 0o600) -> Report:
    key = folder / "cluster.key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    key.chmod(0o600)
    (folder / "password").write_text(f"{SECRET}\n")
    (folder / "key.pem").write_text("a key\nof two lines\n")
    for name in ("password", "key.pem"):
        (folder / name).chmod(mode)
    (folder / "cert.pem").write_text("a certificate")
    path = folder / "cluster.yaml"
    lines = f"auth: {{keys: [{{secretFile: cluster.key}}]}}\nchecks: [{{name: app, {check}}}]\n"
    lines += "virtualServices: [{ports: [80], realServers: [], checks: [{use: app}]}]"
    path.write_text(document(lines))
    return load.check(path, secrets=Secrets.REQUIRED)


LOGIN = "http: {username: u, password: {secretFile: password}, authentication: digest}"
CLIENT = "https: {certificateFile: cert.pem, keyFile: key.pem}"


def test_a_password_is_read_beside_the_document_and_not_shown(tmp_path: Path) -> None:
    spec = read(tmp_path, LOGIN).spec
    assert spec is not None
    (check,) = spec.virtual_services[0].checks
    assert isinstance(check.probe, HttpProbe)
    assert check.probe.credentials == Credentials("u", Secret(SECRET), Authentication.DIGEST)
    assert SECRET not in repr(spec)


def test_the_files_of_a_check_are_named_with_those_of_the_document(tmp_path: Path) -> None:
    report = read(tmp_path, CLIENT)
    assert not report.problems
    assert {tmp_path / "cert.pem", tmp_path / "key.pem"} <= set(report.key_files)


@pytest.mark.parametrize("check", [LOGIN, CLIENT])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, check: str) -> None:
    (problem,) = read(tmp_path, check, mode=0o640).problems
    assert "is open to others than its owner" in problem.message
    assert problem.line
    assert "chmod 600" in problem.remedy


def test_a_file_that_is_not_there_is_a_problem_at_its_line(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "https: {caFile: missing.pem}").problems
    assert problem.message.endswith("missing.pem does not exist")
    assert problem.path == "spec.checks[0].https.caFile"
