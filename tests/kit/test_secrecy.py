"""Secrets are in no text, however a server, a program or a library repeats them."""

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit.secrecy import Censor, one_line

FORMS: list[Callable[[str], str]] = [
    str,
    str.strip,
    str.upper,
    shlex.quote,
    repr,
    html.escape,
    json.dumps,
    quote,
    quote_plus,
    one_line,
    lambda secret: quote(secret, safe="").lower(),
    lambda secret: f"{ {'password': secret} }",
    lambda secret: json.dumps({"password": secret}, ensure_ascii=False),
]
SECRETS = ["geheim", "it's-geheim", "geheim@2/x y", "back\\slash2", 'quo"te2', "geheim ", "gehöim€2", "geh  eim\t2"]


@pytest.mark.parametrize("form", range(len(FORMS)))
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_in_every_form(secret: str, form: int) -> None:
    text = Censor([secret])(f"unknown command {FORMS[form](secret)} here")
    assert text.startswith("unknown command ")
    assert text.endswith("here")
    assert "***" in text
    for part in ("geheim", "geh", "slash2", "te2", "eim"):
        assert part not in text.lower()


@given(
    user=st.text(max_size=8), secret=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6)
)
def test_a_secret_is_taken_out_of_base64(user: str, secret: str) -> None:
    for written in (f"{user}:{secret}", f"\0{user}\0{secret}", secret):
        token = base64.b64encode(written.encode()).decode()
        assert token not in Censor([secret])(f"unrecognized: “AUTH PLAIN {token}”")


@pytest.mark.parametrize("end", ["", "”", "…", "…”"])
def test_the_beginning_of_one_is_taken_out_where_the_text_was_cut(end: str) -> None:
    censor = Censor(["geheim-4711-xyz"])
    assert censor(f"unknown: “PASS geheim-47{end}") == f"unknown: “PASS ***{end}"
    token = base64.b64encode(b"\0karl\0geheim-4711-xyz").decode()
    assert "z2VoZWlt"[1:] not in censor(f"unknown: “AUTH PLAIN {token[:-6]}{end}")


def test_each_line_of_a_secret_of_several_is_taken_out() -> None:
    censor = Censor(["-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n"])
    assert censor("exit status 1: kqhkiG9w0BAQ is no key") == "exit status 1: *** is no key"


def test_what_is_no_secret_stays() -> None:
    text = "“PING” answered by “NOAUTH Authentication required.”"
    assert Censor([])(text) == Censor(["geheim", "", " "])(text) == text


def test_a_censor_shows_no_secret_itself() -> None:
    assert "geheim" not in repr(Censor(["geheim"]))
