"""Durations, addresses, ports and status codes."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import units
from vedette.spec import values
from vedette.spec.resolved import Protocol
from vedette.spec.values import AddressRange, BadValueError, PortRange


@pytest.mark.parametrize(
    ("text", "duration"),
    [("500ms", 500 * units.MILLISECOND), ("3s", 3 * units.SECOND), ("10m", 10 * units.MINUTE), ("2h", 2 * units.HOUR)],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: int) -> None:
    assert values.parse_duration(text) == duration


@given(st.integers(min_value=1, max_value=values.LONGEST_DURATION // units.MILLISECOND))
def test_a_printed_duration_is_read_as_the_same(milliseconds: int) -> None:
    duration = milliseconds * units.MILLISECOND
    assert values.parse_duration(units.show(duration)) == duration


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("5", "write 5s"),
        ("5 s", "write 5s"),
        ("1.5s", "write 1500ms"),
        ("1 minute", "write 1m"),
        ("soon", "like 500ms"),
    ],
)
def test_what_is_no_duration_is_told_how_to_be_one(text: str, remedy: str) -> None:
    with pytest.raises(BadValueError) as caught:
        values.parse_duration(text)
    assert remedy in caught.value.remedy


def test_a_range_holds_both_its_ends() -> None:
    found = values.parse_range("10.0.0.254-10.0.1.1")
    assert [str(address) for address in found.expand()] == ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]
    assert len(found) == 4


def test_an_ipv6_range_expands() -> None:
    found = values.parse_range("2001:db8::fffe-2001:db8::1:0")
    assert [str(address) for address in found.expand()] == ["2001:db8::fffe", "2001:db8::ffff", "2001:db8::1:0"]


def test_a_virtual_address_keeps_its_prefix_length() -> None:
    first, last = ip_address("203.0.113.81"), ip_address("203.0.113.89")
    assert values.parse_virtual_address("203.0.113.81-203.0.113.89/24") == AddressRange(first, last, 24)
    assert values.parse_virtual_address("203.0.113.81").prefix_length is None


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10.0.0.11:80", "address: 10.0.0.11, port: 80"),
        ("[::1]:80", '"::1"'),
        ("10.0.0.1/24", "without the prefix length"),
        ("web1", "names are not looked up"),
        ("10.0.0.01", "without leading zeros"),
        ("10.0.0.300", "10.0.0.11"),
        ("fe80::1%eth0", "alone"),
        ("10.0.0.1-10", "10.0.0.1-10.0.0.10"),
        ("10.0.0.9-10.0.0.1", "write 10.0.0.1-10.0.0.9"),
        ("10.0.0.1-::1", "one range for each family"),
        ("10.0.0.0-10.9.0.0", "shorter"),
        ("", "like 10.0.0.11"),
    ],
)
def test_what_is_no_address_is_told_how_to_be_one(text: str, remedy: str) -> None:
    with pytest.raises(BadValueError) as caught:
        values.parse_range(text)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("text", ["203.0.113.80/", "203.0.113.80/33", "203.0.113.80/0", "2001:db8::1/129", "::1/٣"])
def test_a_prefix_length_must_fit_its_family(text: str) -> None:
    with pytest.raises(BadValueError, match="is not a prefix length"):
        values.parse_virtual_address(text)


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        (80, PortRange(80, 80)),
        ("80", PortRange(80, 80)),
        ("53/udp", PortRange(53, 53, Protocol.UDP)),
        ("50000-60000/udp", PortRange(50000, 60000, Protocol.UDP)),
        ("5000-5001", PortRange(5000, 5001)),
        ("38412/sctp", PortRange(38412, 38412, Protocol.SCTP)),
    ],
)
def test_ports_are_numbers_ranges_and_protocols(written: int | str, ports: PortRange) -> None:
    assert values.parse_port(written) == ports


@pytest.mark.parametrize("written", [0, 65536, -1, "", "http", "80/TCP", "80/icmp", "90-80", "1-2-3", "80/", "٣"])
def test_what_is_no_port_is_refused(written: int | str) -> None:
    with pytest.raises(BadValueError):
        values.parse_port(written)


def test_status_codes_are_inclusive_ranges() -> None:
    assert values.parse_statuses(200) == (200, 200)
    assert values.parse_statuses("200-299") == (200, 299)
    for bad in (99, 600, "2xx", "300-200", ""):
        with pytest.raises(BadValueError):
            values.parse_statuses(bad)


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_a_bad_value(text: str) -> None:
    for parse in (values.parse_duration, values.parse_virtual_address, values.parse_port, values.parse_statuses):
        try:
            parse(text)
        except BadValueError as error:
            told = (str(error), error.remedy)
            assert all(told)


def test_what_is_quoted_is_short_and_printable() -> None:
    assert values.shorten("a\x1b[31m\nb") == "a?[31m?b"
    assert len(values.shorten("x" * 1000)) == 60
