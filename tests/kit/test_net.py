"""Network values."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import net


@pytest.mark.parametrize(
    ("address", "family", "endpoint"),
    [("10.0.0.1", socket.AF_INET, "10.0.0.1:80"), ("2001:db8::1", socket.AF_INET6, "[2001:db8::1]:80")],
)
def test_an_address_knows_its_family_and_how_its_endpoint_is_written(address: str, family: int, endpoint: str) -> None:
    parsed = net.parse(address)
    assert (net.family(parsed), net.endpoint(parsed, 80)) == (family, endpoint)


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.1/24", "router1", "[::1]"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        net.parse(text)


@given(st.one_of(st.text("0123456789.:af/ \n١", max_size=18), st.ip_addresses().map(str)))
def test_an_address_is_what_the_standard_library_takes_for_one(text: str) -> None:
    try:
        expected = ip_address(text)
    except ValueError:
        with pytest.raises(ValueError, match="does not appear to be"):
            net.parse(text)
    else:
        assert net.parse(text) == expected


@given(st.tuples(*[st.integers(0, 300)] * 4))
def test_every_dotted_quad_is_read_right(numbers: tuple[int, ...]) -> None:
    text = ".".join(map(str, numbers))
    if max(numbers) > 255:
        with pytest.raises(ValueError, match="does not appear to be"):
            net.parse(text)
    else:
        assert net.parse(text) == ip_address(text)
