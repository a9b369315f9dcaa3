"""Names of interfaces: one that some nodes translate and others do not is mostly a forgotten line, and one that none
does, but that looks much like one that they do, a typing mistake."""

from collections.abc import Iterator, Sequence

from vedette.spec import words
from vedette.spec.resolve.connections import CONNECTION_SYNC
from vedette.spec.resolve.scope import GROUPS, LINKS, NODES, Scope
from vedette.spec.resolved import Group, Link, Node, Role
from vedette.spec.tree import Path

LONGEST_KERNEL_NAME = 15
"""IFNAMSIZ without its NUL (linux/if.h)."""


def check(scope: Scope, nodes: Sequence[Node], groups: Sequence[Group], links: Sequence[Link]) -> None:
    """Report interface names that no kernel can have; warn of those that only some nodes translate, or nearly do."""
    if not scope.intact(NODES, "interfaces", "name"):
        return
    by_name = {node.name: node for node in nodes}
    seen: set[tuple[str, str]] = set()
    for interface, users, path in _uses(scope, nodes, groups, links):
        translated = [name for name in users if interface in by_name[name].interfaces]
        for name in users:
            if name in translated or (interface, name) in seen:
                continue
            seen.add((interface, name))
            remedy = f"add `interfaces: {{{interface}: eth0}}` to the node"
            meant = None if translated else _meant(interface, by_name[name])
            if meant is not None:
                remedy = f"did you mean `{meant}`?"
            if len(interface) > LONGEST_KERNEL_NAME:
                scope.fault(
                    path, f"node `{name}` does not say what `{interface}` is, and no kernel calls it so", remedy
                )
            elif translated:
                known = f"`{translated[0]}` does"
                scope.findings.warn(path, f"node `{name}` does not say what `{interface}` is ({known})", remedy)
            elif meant is not None:
                message = f"no node says what `{interface}` is, so it is taken for the kernel's own name"
                scope.findings.warn(path, message, remedy)


def _meant(interface: str, node: Node) -> str | None:
    """The name that was probably meant, unless the node's kernel calls one of those that it uses just so."""
    return None if interface in node.interfaces.values() else words.near_miss(interface, list(node.interfaces))


def _uses(
    scope: Scope, nodes: Sequence[Node], groups: Sequence[Group], links: Sequence[Link]
) -> Iterator[tuple[str, list[str], Path]]:
    """Yield every interface that the document names, the nodes that must have it, and where it is named."""
    names = {node.name for node in nodes if node.role is Role.DIRECTOR}
    for group_index, (written, group) in enumerate(zip(scope.spec.groups, groups, strict=True)):
        for index, item in enumerate(written.addresses):
            if item.interface is not None:
                holders = [name for name in group.nodes if name in names]
                yield item.interface, holders, (*GROUPS, group_index, "addresses", index, "interface")
    for index, link in enumerate(links):
        if link.interface is not None:
            on_link = list(link.addresses) or [node.name for node in nodes]
            yield link.interface, on_link, (*LINKS, index, "interface")
    sync = scope.spec.ipvs.connection_sync if scope.spec.ipvs is not None else None
    if sync is not None and scope.sound((*CONNECTION_SYNC, "interface")):
        yield sync.interface, sorted(names), (*CONNECTION_SYNC, "interface")
