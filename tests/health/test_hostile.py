"""What strangers send to the parsers of the fast lane: nothing of it raises, and nothing makes them wait or grow."""

from ipaddress import ip_address

from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.health.targets import target
from vedette.health import authentication, certificate, echo, requests
from vedette.health.authentication import Challenge
from vedette.health.http2 import NOT_HTTP2, Exchange
from vedette.health.response import BODY, DIGESTED
from vedette.spec.resolved import Authentication, Credentials, HttpProbe, Secret

WHO = Credentials("Mufasa", Secret("Circle of Life"), Authentication.DIGEST)


def exchange(probe: HttpProbe | None = None) -> Exchange:
    probe = probe or HttpProbe(body="x", version="2")
    (wanted,) = requests.requests(probe)
    return Exchange(wanted, "https", requests.headers(target(probe=probe), probe))


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 1) -> bytes:
    """RFC 9113 section 4.1."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def server(*, body: bytes, status: str = "200") -> bytes:
    """What an honest server sends for the first request."""
    made = H2Connection(H2Configuration(client_side=False))
    made.initiate_connection()
    made.receive_data(exchange().unsent())
    made.send_headers(1, [(":status", status), ("x-one", "1")])
    made.send_data(1, body, end_stream=True)
    return made.data_to_send()


# HTTP/2

KINDS = st.builds(
    frame,
    st.integers(0, 12),
    st.binary(max_size=64),
    flags=st.integers(0, 255),
    stream=st.integers(0, 3),
)


@given(st.lists(KINDS, max_size=12), st.integers(1, 40), st.booleans())
@settings(max_examples=300)
def test_frames_of_any_kind_in_any_order_end_in_a_result_or_in_waiting(
    frames: list[bytes], step: int, begins: bool
) -> None:
    answer = exchange()
    data = (frame(4, b"", stream=0) if begins else b"") + b"".join(frames)
    for at in range(0, len(data), step):
        answer.feed(data[at : at + step])
        answer.unsent()
    answer.close()
    assert answer.done
    assert len(answer.body) <= BODY


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(1, 60))
def test_an_honest_answer_with_garbage_in_it_ends_in_a_result(garbage: bytes, where: int, step: int) -> None:
    answer, data = exchange(), server(body=b"x" * 200)
    data = data[:where] + garbage + data[where:]
    for at in range(0, len(data), step):
        answer.feed(data[at : at + step])
    answer.close()
    assert answer.done


@given(st.integers(1, 60))
def test_an_honest_answer_is_understood_however_it_is_cut(step: int) -> None:
    answer, data = exchange(), server(body=b"some body")
    for at in range(0, len(data), step):
        answer.feed(data[at : at + step])
    assert (answer.status, bytes(answer.body), answer.problem, answer.done) == (200, b"some body", "", True)
    assert answer.values("X-One") == ["1"]


def test_a_frame_longer_than_allowed_is_refused_by_its_head() -> None:
    answer = exchange()
    answer.feed(frame(4, b"", stream=0) + (1 << 20).to_bytes(3) + bytes([0, 0]) + (1).to_bytes(4))
    assert answer.problem == NOT_HTTP2


def test_an_answer_in_http_1_is_told_at_its_first_bytes() -> None:
    answer = exchange()
    answer.feed(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.problem == NOT_HTTP2


def test_a_large_body_is_taken_up_to_what_patterns_see() -> None:
    probe = HttpProbe(body="x", version="2")
    answer = exchange(probe)
    made = H2Connection(H2Configuration(client_side=False))
    made.initiate_connection()
    made.receive_data(answer.unsent())
    made.send_headers(1, [(":status", "200")])
    sent = 0
    while not answer.done:
        room = min(made.local_flow_control_window(1), 16384)
        made.send_data(1, b"x" * room)
        sent += room
        answer.feed(made.data_to_send())
        made.receive_data(answer.unsent())
        assert sent <= DIGESTED
    assert len(answer.body) == BODY
    assert answer.problem == ""


# Digest


def test_the_example_of_the_rfc_comes_out() -> None:
    """RFC 7616 section 3.9.1."""
    field = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        found = authentication.challenge([field % algorithm])
        assert found is not None
        answer = authentication.digest(
            found,
            WHO,
            method="GET",
            uri="/dir/index.html",
            count=1,
            client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        assert f'response="{response}"' in answer
        assert "nc=00000001" in answer


def test_the_stronger_of_two_challenges_is_met() -> None:
    fields = [
        'Basic realm="x", Digest realm="a", nonce="n1", Digest nonce="n2", algorithm=SHA-256',
        'Digest nonce="n3"',
    ]
    assert authentication.challenge(fields) == Challenge("", "n2", "SHA-256")


def test_a_challenge_that_cannot_be_met_is_none() -> None:
    for field in (
        "Basic realm=x",
        "Digest realm=x",
        'Digest nonce="a", qop="auth-int"',
        'Digest nonce="a", algorithm=X',
    ):
        assert authentication.challenge([field]) is None


@given(st.text(st.characters(max_codepoint=255), max_size=300), st.integers(1, 9))
def test_no_challenge_makes_a_header_that_cannot_be_sent(text: str, count: int) -> None:
    found = authentication.challenge([text, f'Digest realm="{text}", nonce="{text}"', f"Digest {text}"])
    if found is not None:
        sent = authentication.digest(found, WHO, method="GET", uri="/", count=count, client_nonce="c")
        sent.encode("latin-1")
        assert sent.isprintable() or not any(letter in sent for letter in "\r\n\0")


# Certificates and echoes


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_of_certificates_raise(data: bytes) -> None:
    certificate.not_after(data)
    certificate.not_after(b"\x30\x82\x01\x00\x30\x81\xf0" + data)


@given(st.binary(max_size=100), st.sampled_from([4, 6]))
def test_no_packet_makes_the_reader_of_echoes_raise(packet: bytes, version: int) -> None:
    echo.token_of(packet, version=version, identifier=7)


def test_a_reply_gives_its_token_back() -> None:
    token = b"12345678"
    sent = echo.request(ip_address("10.0.0.1"), identifier=7, sequence=1, token=token)
    reply = bytes([0x45, *bytes(19)]) + b"\0" + sent[1:]
    assert echo.token_of(reply, version=4, identifier=7) == token
    assert echo.token_of(reply, version=4, identifier=8) is None
    assert echo.token_of(reply[:-1], version=4, identifier=7) is None
