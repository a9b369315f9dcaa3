"""The local ports of connections through a service that did not come about.

IPVS knows a connection by addresses and ports, not by its mark, and keeps one that began for a minute
(IP_VS_TCP_S_SYN_RECV). A check of another server from the same port would be sent where that one went: to a server that
is dead. So the next check of the server that did not answer uses its port again, and a dead server keeps one port and
not thirty. (A connection that was reset is no trouble: IPVS chooses anew for it.)
"""

import socket

from vedette.state.health import Behind

MOST = 16384
"""Servers that may be remembered, each with one virtual address and port; about as many ports as there are."""
_Key = tuple[Behind, tuple[str, int]]


class Ports:
    """By server, and by the virtual address and port that were tried."""

    def __init__(self) -> None:
        self._ports: dict[_Key, int] = {}

    def keep(self, behind: Behind, peer: tuple[str, int], opened: socket.SocketType) -> None:
        """Remember the port of a connection that did not come about."""
        port = int(opened.getsockname()[1])
        if port:
            self._ports[behind, peer] = port
        while len(self._ports) > MOST:
            del self._ports[next(iter(self._ports))]

    def take(self, behind: Behind, peer: tuple[str, int]) -> int:
        """The port to begin from, and forget it; 0 = any."""
        return self._ports.pop((behind, peer), 0)


ports = Ports()
"""Of this process."""
