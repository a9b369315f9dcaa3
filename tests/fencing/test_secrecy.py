"""Secrets are in no message, however a device, an agent or a library repeats them."""

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.fencing.drivers.secrecy import LONGEST, clean

FORMS: list[Callable[[str], str]] = [
    str,
    str.strip,
    shlex.quote,
    repr,
    html.escape,
    json.dumps,
    quote,
    quote_plus,
    lambda secret: quote(secret, safe="").lower(),
    lambda secret: f"{ {'password': secret} }",
    lambda secret: json.dumps({"password": secret}, ensure_ascii=False),
]
SECRETS = ["geheim", "it's-geheim", "geheim@2/x y", "back\\slash2", 'quo"te2', "geheim ", "gehöim€2"]


@pytest.mark.parametrize("form", range(len(FORMS)))
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_in_every_form(secret: str, form: int) -> None:
    written = FORMS[form](secret)
    text = clean(f"Error: login {written} failed", [secret])
    assert text.startswith("Error: login ")
    assert text.endswith("failed")
    assert "***" in text
    for part in ("geheim", "geh", "slash2", "te2"):
        assert part not in text


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
