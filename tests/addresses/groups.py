"""Groups and nodes as the document's resolved form gives them, short enough for tests."""

from ipaddress import ip_address

from vedette.spec.resolved import Group, Node, Role, VirtualAddress

ME = Node(name="router1", role=Role.DIRECTOR, address=None, interfaces={"lan": "lan0"})


def group(name: str, *addresses: str, nodes: tuple[str, ...] = ("router1", "router2")) -> Group:
    """``addresses``: ``10.0.0.1/24``, or ``10.0.0.1/24@lan`` with a logical interface."""
    return Group(name=name, addresses=tuple(_address(text) for text in addresses), nodes=nodes)


def _address(text: str) -> VirtualAddress:
    written, _, interface = text.partition("@")
    address, _, length = written.partition("/")
    return VirtualAddress(
        name=address, address=ip_address(address), prefix_length=int(length), interface=interface or None
    )
