"""What can be the address of one machine, and which of those packets are not sent to."""

from collections.abc import Container
from ipaddress import IPv4Address

from vedette.kit.net import IPAddress

BROADCAST = IPv4Address("255.255.255.255")
"""Everybody on the network, whichever it is (RFC 919)."""


def names_a_host(address: IPAddress) -> bool:
    """Whether it may stand for one machine: this one (loopback) included."""
    return not (address.is_multicast or address.is_unspecified or address == BROADCAST)


def unfit(address: IPAddress, virtual: Container[IPAddress], what: str) -> tuple[str, str] | None:
    """Why an address cannot be that of ``what``, and what to do, if so. ``virtual``: the groups' addresses."""
    if not names_a_host(address):
        return f"{address} cannot be {what}", "write the address of one host"
    if address in virtual:
        return f"{address} is a virtual address", "write the server's own address"
    return None
