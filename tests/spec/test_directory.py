"""Search filters of directories, as RFC 4515 writes them and RFC 4511 sends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import ber
from vedette.spec.directory import encode_filter
from vedette.spec.values import BadValueError

EQUAL, AND = 0xA3, 0xA0


def comparison(tag: int, name: str, value: bytes) -> bytes:
    return ber.element(tag, ber.element(ber.OCTET_STRING, name.encode()), ber.element(ber.OCTET_STRING, value))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("(cn=Babs Jensen)", comparison(EQUAL, "cn", b"Babs Jensen")),
        ("cn=Babs Jensen", comparison(EQUAL, "cn", b"Babs Jensen")),
        ("(!(cn=x))", ber.element(0xA2, comparison(EQUAL, "cn", b"x"))),
        ("(&(a=1)(b=2))", ber.element(AND, comparison(EQUAL, "a", b"1"), comparison(EQUAL, "b", b"2"))),
        ("(|(a=1))", ber.element(0xA1, comparison(EQUAL, "a", b"1"))),
        ("(a>=1)", comparison(0xA5, "a", b"1")),
        ("(a<=1)", comparison(0xA6, "a", b"1")),
        ("(a~=1)", comparison(0xA8, "a", b"1")),
        ("(seeAlso=)", comparison(EQUAL, "seeAlso", b"")),
        ("(objectClass=*)", ber.element(0x87, b"objectClass")),
        ("(o=Parens R Us \\28for all\\29)", comparison(EQUAL, "o", b"Parens R Us (for all)")),
        ("(cn=*\\2A*)", bytes.fromhex("a409 0402 636e 3003 8101 2a")),
        ("(cn=a*b*c)", bytes.fromhex("a40f 0402 636e 3009 800161 810162 820163")),
        ("(bin=\\00\\00\\04)", comparison(EQUAL, "bin", b"\0\0\4")),
        ("(sn=Lu\\c4\\8di\\c4\\87)", comparison(EQUAL, "sn", "Lučić".encode())),
        ("(sn=Lučić)", comparison(EQUAL, "sn", "Lučić".encode())),
        ("(userCertificate;binary=x)", comparison(EQUAL, "userCertificate;binary", b"x")),
        ("(cn:caseExactMatch:=F)", bytes.fromhex("a917 810e") + b"caseExactMatch" + bytes.fromhex("8202 636e 8301 46")),
        ("(:1.2.3:=x)", bytes.fromhex("a90a 8105 312e322e33 8301 78")),
        ("(o:dn:=x)", bytes.fromhex("a909 8201 6f 8301 78 8401 ff")),
    ],
)
def test_a_filter_is_sent_as_it_is_meant(text: str, sent: bytes) -> None:
    assert encode_filter(text) == sent


@pytest.mark.parametrize(
    "text",
    ["(", ")", "()", "(a)", "a", "(&)", "(!)", "(a=b", "a=b)", "(a=b)(c=d)", "(a=b) ", "(a=\\)", "(a=\\zz)", "(a=b**c)",
     "(=b)", "(a b=c)", "(:=x)", "(:dn:=x)", "(a=\0)", "((a=b))", "(&(a=b)c)", "(!" * 40 + "(a=b)" + ")" * 40, ""],
)  # fmt: skip
def test_what_is_no_filter_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(BadValueError) as raised:
        encode_filter(text)
    assert raised.value.remedy


@given(st.text("()&|!=*\\:~<>ab2 ", max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        sent = encode_filter(text)
    except BadValueError:
        return
    assert len(ber.elements(sent)) == 1


@given(st.binary(max_size=300), st.integers(0, 255))
def test_an_element_is_read_as_it_was_written(content: bytes, tag: int) -> None:
    assert ber.elements(ber.element(tag, content) * 2) == [(tag, content)] * 2


@given(st.binary(max_size=64))
def test_any_bytes_are_elements_or_refused(data: bytes) -> None:
    try:
        found = ber.elements(data)
    except ber.BerError:
        return
    assert sum(len(content) for _, content in found) <= len(data)


@pytest.mark.parametrize("data", ["04", "0401", "0480", "048501", "04820001", "30850000000001aa"])
def test_what_is_cut_off_or_without_end_is_refused(data: str) -> None:
    with pytest.raises(ber.BerError):
        ber.elements(bytes.fromhex(data))


@pytest.mark.parametrize(("value", "sent"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100")])
def test_a_number_is_never_negative(value: int, sent: str) -> None:
    assert ber.number(value).hex() == sent
