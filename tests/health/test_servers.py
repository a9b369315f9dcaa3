"""The checks of the fast lane against real servers of their protocols, from Debian packages."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.health.daemons import NAME, PASSWORD, USER, Servers, servers
from tests.health.targets import target
from tests.health.test_attempts import Result, Trial
from vedette.health.judge import Outcome
from vedette.kit import units
from vedette.spec.resolved import (
    Authentication,
    Credentials,
    HttpProbe,
    HttpRequest,
    Probe,
    Secret,
    TcpProbe,
    Tls,
    UdpProbe,
)

pytestmark = pytest.mark.servers

TIME = 10.0
"""Seconds that an answer may take, on a busy machine too."""
MOMENT = 0.3
"""Seconds after which a check that must hang is looked at."""
NOWHERE, THERE = ip_address("192.0.2.1"), ip_address("127.0.0.7")
UP = Outcome.PASSED, "status 200"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("servers")) as found:
        yield found


def trial(real: Servers, name: str, probe: Probe, *, host: str = "127.0.0.1", limit: float = TIME) -> Trial:
    """One check of a server; past the limit its time is up."""

    async def scenario() -> Trial:
        made = Trial(target(host, real.ports[name], probe))
        try:
            await asyncio.wait_for(made.result(), limit)
        except TimeoutError:
            made.attempt.expire("1s")
        assert len(made.results) == 1
        return made

    return asyncio.run(scenario())


def check(real: Servers, name: str, probe: Probe, *, host: str = "127.0.0.1", limit: float = TIME) -> Result:
    return trial(real, name, probe, host=host, limit=limit).results[0]


def closed(real: Servers, probe: Probe) -> Result:
    return check(replace(real, ports={"closed": real.ports["closed"]}), "closed", probe)


def tls(real: Servers, **others: object) -> Tls:
    settings: dict[str, object] = {"server_name": NAME, "ca_file": real.file("ca.pem")}
    return Tls(**(settings | others))  # type: ignore[arg-type]


# up


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_healthy_web_server_is_up(real: Servers, host: str, version: str) -> None:
    assert check(real, "http", HttpProbe(path="/health", body="^status: OK$", version=version), host=host) == UP
    assert check(real, "http", TcpProbe(), host=host) == (Outcome.PASSED, "connection accepted")


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_healthy_web_server_with_tls_is_up(real: Servers, host: str, version: str) -> None:
    body = rf"^HTTP/{version}(\.0)? {NAME}$"
    assert check(real, "https", HttpProbe(body=body, version=version, tls=tls(real)), host=host) == UP


def test_a_server_of_http_2_in_the_clear_is_up(real: Servers) -> None:
    assert check(real, "h2c", HttpProbe(body="^HTTP/2.0 other ", host="other", version="2")) == UP
    sent = HttpProbe(method="POST", send="a=1", body=" 3$", version="2")
    assert check(real, "h2c", sent) == UP


def test_a_request_arrives_as_it_is_written(real: Servers) -> None:
    probe = HttpProbe(path="/asked", method="PUT", send="grüße", host="www", headers=(("X-Probe", "me"),))
    assert check(real, "http", replace(probe, body=r"^PUT www me 7 HTTP/1\.1 127\.0\.0\.1$")) == UP


def test_a_check_comes_from_the_address_that_the_document_says(real: Servers) -> None:
    async def scenario() -> Result:
        aim = target("127.0.0.1", real.ports["http"], HttpProbe(path="/asked", body=r" 127\.0\.0\.7$"))
        return await Trial(replace(aim, check=replace(aim.check, source=(NOWHERE, THERE)))).result()

    assert asyncio.run(scenario()) == UP


def test_a_redirect_is_not_followed_and_may_be_what_is_expected(real: Servers) -> None:
    assert check(real, "http", HttpProbe(path="/moved")) == (Outcome.FAILED, "status 302, expected 200-299")
    moved = check(real, "http", HttpProbe(path="/moved", statuses=((200, 399),)))
    assert moved == (Outcome.PASSED, "status 302")


@pytest.mark.parametrize("authentication", list(Authentication))
def test_a_user_gets_in_and_a_wrong_password_does_not(real: Servers, authentication: Authentication) -> None:
    name, paths = (
        ("http", ["/secret/"])
        if authentication is Authentication.BASIC
        else ("digest", ["/md5/index.html", "/sha256/index.html"])
    )
    for path in paths:
        asked = HttpProbe(path=path, body="inside", credentials=Credentials(USER, Secret(PASSWORD), authentication))
        assert check(real, name, asked) == UP
        wrong = replace(asked, credentials=Credentials(USER, Secret("wrong"), authentication))
        assert check(real, name, wrong) == (Outcome.FAILED, "status 401, expected 200-299")
        assert check(real, name, replace(asked, credentials=None))[1] == "status 401, expected 200-299"


def test_a_challenge_is_kept_for_the_checks_that_follow(real: Servers) -> None:
    """Four checks of a server that asks for a digest need five requests, and each has a count of its own."""

    async def scenario() -> list[Result]:
        credentials = Credentials(USER, Secret(PASSWORD), Authentication.DIGEST)
        aim = target("127.0.0.1", real.ports["digest"], HttpProbe(path="/sha256/index.html", credentials=credentials))
        first = Trial(aim)
        found = [await first.result()]
        for _ in range(3):
            again = Trial(aim, start=first.start)
            found.append(await again.result())
        return found

    assert asyncio.run(scenario()) == [UP] * 4


def test_all_requests_of_a_check_must_be_answered_as_expected(real: Servers) -> None:
    further = (HttpRequest("/secret/", statuses=((401, 401),)), HttpRequest("/large", body="^y+$"))
    probe = HttpProbe(path="/health", further=further)
    assert check(real, "http", probe) == (Outcome.PASSED, "/large: status 200")
    broken = replace(probe, further=(*further[:1], HttpRequest("/broken"), HttpRequest("/health")))
    assert check(real, "http", broken) == (Outcome.FAILED, "/broken: status 500, expected 200-299")
    over_tls = HttpProbe(further=(HttpRequest("/two"),), tls=tls(real), version="2")
    assert check(real, "https", over_tls) == (Outcome.PASSED, "/two: status 200")


@pytest.mark.parametrize(("name", "version"), [("http", "1.1"), ("h2c", "2")])
def test_a_digest_covers_a_body_that_is_longer_than_what_patterns_see(real: Servers, name: str, version: str) -> None:
    right = hashlib.sha256(b"y" * 300_000).hexdigest()
    assert check(real, name, HttpProbe(path="/large", digest=f"sha256:{right}", version=version)) == UP
    wrong = HttpProbe(path="/large", digest=f"sha256:{right[::-1]}", version=version)
    assert check(real, name, wrong) == (Outcome.FAILED, "the body's sha256 is another")


# TLS


def test_a_certificate_that_ends_soon_is_a_notice_and_no_failure(real: Servers) -> None:
    warned = trial(real, "https", HttpProbe(tls=tls(real, expiry_warning=14 * units.DAY)))
    assert warned.results == [UP]
    assert warned.notice.startswith("its certificate expires on 20")
    unverified = trial(real, "https", HttpProbe(tls=tls(real, verify=False, expiry_warning=14 * units.DAY)))
    assert unverified.notice == warned.notice, "it is read without being verified"
    assert trial(real, "https", HttpProbe(tls=tls(real, expiry_warning=8 * units.DAY))).notice == ""
    expired = trial(
        real, "expired", HttpProbe(tls=tls(real, verify=False, expiry_warning=units.DAY), statuses=((200, 404),))
    )
    assert expired.results[0][0] is Outcome.PASSED
    assert expired.notice.startswith("its certificate has expired on 20")


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("expired", {}, "its certificate has expired"),
        ("alone", {}, "its certificate is signed by itself: name it as `caFile`"),
        ("https", {"ca_file": "alone.pem"}, "its certificate is signed by an unknown authority: name that as `caFile`"),
        ("https", {"ca_file": None}, "its certificate is signed by an unknown authority: name that as `caFile`"),
        ("https", {"server_name": "other"}, "its certificate is not for other: write another `serverName`"),
        ("http", {}, "not a TLS answer"),
        ("garbage", {}, "not a TLS answer"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_prove_who_it_is_is_down(
    real: Servers, name: str, settings: dict[str, str | None], reason: str
) -> None:
    files = {key: value and (real.file(value) if key == "ca_file" else value) for key, value in settings.items()}
    assert check(real, name, HttpProbe(tls=tls(real, **files))) == (Outcome.FAILED, reason)


def test_a_certificate_may_be_for_the_address(real: Servers) -> None:
    assert check(real, "https", HttpProbe(tls=tls(real, server_name=None))) == UP
    assert check(real, "https", HttpProbe(tls=tls(real, server_name=None)), host="::1") == (
        Outcome.FAILED,
        "its certificate is not for ::1: write another `serverName`",
    )


def test_a_server_that_signed_itself_may_be_trusted_by_name(real: Servers) -> None:
    alone = HttpProbe(tls=tls(real, ca_file=real.file("alone.pem")), statuses=((200, 404),))
    assert check(real, "alone", alone)[0] is Outcome.PASSED


def test_a_client_certificate_is_shown(real: Servers) -> None:
    ours = tls(real, certificate_file=real.file("client.pem"), key_file=real.file("client.key"))
    assert check(real, "client", HttpProbe(body="^CN=client$", tls=ours)) == UP
    assert check(real, "client", HttpProbe(tls=tls(real)))[1] == "status 400, expected 200-299"


def test_a_server_without_http_2_is_down_for_a_check_of_it(real: Servers) -> None:
    assert check(real, "only1", HttpProbe(version="2", tls=tls(real))) == (
        Outcome.FAILED,
        "the server does not speak this version of HTTP",
    )
    assert check(real, "http", HttpProbe(version="2")) == (Outcome.FAILED, "not an HTTP/2 answer")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ca_file": "missing.pem"}, "caFile {}/missing.pem: no such file or directory"),
        ({"ca_file": "htpasswd"}, "caFile {}/htpasswd: it cannot be read as PEM"),
        (
            {"certificate_file": "client.pem", "key_file": "server.key"},
            "certificateFile {}/client.pem: its key is another's",
        ),
    ],
)
def test_files_of_no_use_say_nothing_of_the_server(real: Servers, files: dict[str, str], message: str) -> None:
    settings = tls(real, **{key: real.file(value) for key, value in files.items()})
    assert check(real, "https", HttpProbe(tls=settings)) == (Outcome.BLOCKED, message.format(real.folder))


# down


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_closed_port_is_down(real: Servers, version: str) -> None:
    assert closed(real, HttpProbe(version=version)) == (Outcome.FAILED, "connection refused")
    assert closed(real, HttpProbe(version=version, tls=tls(real))) == (Outcome.FAILED, "connection refused")
    assert closed(real, TcpProbe()) == (Outcome.FAILED, "connection refused")


@pytest.mark.parametrize(("name", "version"), [("http", "1.1"), ("h2c", "2")])
def test_a_wrong_answer_is_down(real: Servers, name: str, version: str) -> None:
    probe = HttpProbe(path="/broken", version=version)
    assert check(real, name, probe) == (Outcome.FAILED, "status 500, expected 200-299")
    assert check(real, name, HttpProbe(body="no such text", version=version))[1] == "body does not match"
    assert check(real, name, HttpProbe(path="/large", body_absent="yy", version=version)) == (
        Outcome.FAILED,
        "body has what must be absent",
    )


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (HttpProbe(), "connected, but no whole answer in 1s"),
        (HttpProbe(version="2"), "connected, but no whole answer in 1s"),
        (HttpProbe(tls=Tls()), "connected, but no TLS handshake in 1s"),
    ],
)
def test_a_server_that_accepts_and_says_nothing_is_down_when_its_time_is_up(
    real: Servers, probe: HttpProbe, reason: str
) -> None:
    assert check(real, "hung", probe, limit=MOMENT) == (Outcome.FAILED, reason)


@pytest.mark.parametrize(("name", "version"), [("http", "1.1"), ("h2c", "2"), ("https", "1.1"), ("https", "2")])
def test_a_server_that_stops_in_the_middle_of_an_answer_is_down_when_its_time_is_up(
    real: Servers, name: str, version: str
) -> None:
    probe = HttpProbe(path="/slow", body="the end", version=version, tls=tls(real) if name == "https" else None)
    assert check(real, name, probe, limit=MOMENT) == (Outcome.FAILED, "connected, but no whole answer in 1s")


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_garbage_is_down(real: Servers, version: str) -> None:
    outcome, reason = check(real, "garbage", HttpProbe(version=version))
    assert outcome is Outcome.FAILED
    assert reason in ("not an HTTP answer", "not an HTTP/2 answer", "connection reset")


# UDP


def test_a_datagram_is_answered(real: Servers) -> None:
    assert check(real, "echo", UdpProbe(b"hello", "^hel+o$")) == (Outcome.PASSED, "answered")
    assert check(real, "echo", UdpProbe(b"\x00\xff\x01", r"^\x00\xff")) == (Outcome.PASSED, "answered")
    assert check(real, "echo", UdpProbe(b"anything")) == (Outcome.PASSED, "answered")
    assert check(real, "echo", UdpProbe(b"hello", "^other")) == (Outcome.FAILED, "answer does not match")


def test_silence_is_a_failure_only_where_an_answer_is_expected(real: Servers) -> None:
    assert check(real, "silent", UdpProbe(b"x"), limit=MOMENT) == (Outcome.PASSED, "no error in 1s")
    assert check(real, "silent", UdpProbe(b"x", "y"), limit=MOMENT) == (Outcome.FAILED, "no answer in 1s")


@pytest.mark.parametrize("expect", [None, "x"])
def test_a_closed_port_of_udp_is_down(real: Servers, expect: str | None) -> None:
    assert closed(real, UdpProbe(b"x", expect)) == (Outcome.FAILED, "port unreachable")
