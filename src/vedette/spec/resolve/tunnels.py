"""Tunnels to real servers: kind, port and checksum."""

from vedette.spec import defaults
from vedette.spec.model import balancing as model
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import Encapsulation, Forwarding, Tunnel, TunnelChecksum
from vedette.spec.tree import Path


def resolve(
    scope: Scope, service: model.VirtualService, shared: model.ServiceSettings, forwarding: Forwarding, path: Path
) -> Tunnel:
    """The tunnel of a service; ``shared`` are the document's defaults, which count only where there is a tunnel."""
    written = service.tunnel if service.tunnel is not None else shared.tunnel
    here = (*path, "tunnel") if service.tunnel is not None else ("spec", "defaults", "virtualServices", "tunnel")
    if forwarding is not Forwarding.TUNNEL:
        if service.tunnel is not None and scope.sound((*path, "forwarding")):
            message = f"`tunnel` is for `forwarding: tunnel`, and this is {forwarding.value}"
            scope.fault(here, message, "write `forwarding: tunnel`, or leave `tunnel` out", at_key=True)
        return Tunnel()
    if written is None:
        return Tunnel()
    kind = Encapsulation(written.type or "ipip")
    checksum = TunnelChecksum(written.checksum or "none")
    if written.port is not None and kind is not Encapsulation.GUE:
        scope.fault((*here, "port"), f"a tunnel of type `{kind.value}` has no port", "leave it out, or `type: gue`")
    if checksum is not TunnelChecksum.NONE and kind is Encapsulation.IPIP:
        scope.fault((*here, "checksum"), "a tunnel of type `ipip` has no checksum", "leave it out")
    elif checksum is TunnelChecksum.REMOTE and kind is Encapsulation.GRE:
        scope.fault((*here, "checksum"), "only gue has remote checksum offload", "write `full`, or `type: gue`")
    port = 0 if kind is not Encapsulation.GUE else written.port or defaults.GUE_PORT
    return Tunnel(kind, port, checksum)
