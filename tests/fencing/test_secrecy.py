"""Secrets are in no message, however a device, an agent or a library repeats them."""

import base64
import shlex
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from vedette.fencing.drivers.secrecy import LONGEST, clean


def test_a_secret_is_taken_out_in_whatever_form() -> None:
    """All of them are tried with the censor (tests/kit/test_secrecy.py)."""
    for written in ("it's-geheim", shlex.quote("it's-geheim"), quote_plus("it's-geheim")):
        assert clean(f"Error: login {written} failed", ["it's-geheim"]) == "Error: login *** failed"


@given(
    user=st.text(max_size=8), secret=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6)
)
def test_a_secret_is_taken_out_of_base64(user: str, secret: str) -> None:
    token = base64.b64encode(f"{user}:{secret}".encode()).decode()
    assert token not in clean(f"sent: {token}", [secret])
    assert token not in clean(f"Authorization: Basic {token}", [])
    assert token not in clean(str({"Authorization": f"Basic {token}"}), [])


def test_what_is_no_secret_stays() -> None:
    assert clean("Unable to connect/login to fencing device 10.9.0.11:443", ["geheim", "", " "]) == (
        "Unable to connect/login to fencing device 10.9.0.11:443"
    )


def test_a_long_or_odd_line_is_short_and_printable() -> None:
    text = clean("a\x1b[0m\n" + "b" * 1000, [])
    assert text.isprintable()
    assert len(text) == LONGEST
