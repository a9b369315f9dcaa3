"""Network values."""

import socket

import pytest

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
