"""Somebody on a heartbeat link who floods a machine with datagrams that are not, or no longer, its cluster's.

``python -m vedette.lab.flood BRIDGE MAC PORT RATE`` runs in the namespace of the bridges. It listens until it has heard
a heartbeat that is addressed to MAC (or to all), and then sends forgeries of the last ones heard, RATE a second,
until it is terminated. Every second it prints how many were sent so far.
"""

import itertools
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator

from vedette.lab import forgeries

_ALL = 0x0003
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_MULTICAST = 1
"""The bit of a MAC's first byte."""
BURST = 5
"""Frames sent at once: at 5,000 a second one burst a millisecond."""
LAG = 0.02
"""Seconds of a pause that are caught up with; a longer one is forgotten."""
KEPT = 64
"""Datagrams heard that forgeries are made of."""
LISTEN = 2.0
"""Seconds of listening after which what was heard must do."""
FRESH = 5.0
"""Seconds after which it listens anew, so that what it repeats is not all old."""


def main(bridge: str, mac: str, port: str, rate: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    wire.bind((bridge, 0))
    membership = struct.pack("iHH8s", socket.if_nametoindex(bridge), _PROMISCUOUS, 0, b"")
    wire.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
    target = bytes.fromhex(mac.replace(":", ""))
    frames: Iterator[bytes] = iter(())
    sent, due, told, stale = 0, time.monotonic(), time.monotonic(), 0.0
    while True:
        now = time.monotonic()
        if now >= stale:
            frames = itertools.cycle(_listen(wire, target, int(port)))
            due, stale = time.monotonic(), time.monotonic() + FRESH
        for _ in range(BURST):
            wire.send(next(frames))
        sent += BURST
        due = max(due + BURST / int(rate), now - LAG)
        if now - told >= 1:
            told = now
            print(sent, flush=True)
        time.sleep(max(0.0, due - time.monotonic()))


def _listen(wire: socket.socket, target: bytes, port: int) -> list[bytes]:
    """Forgeries of what goes to the target just now."""
    wire.settimeout(LISTEN)
    deadline, heard = time.monotonic() + LISTEN, list[bytes]()
    while time.monotonic() < deadline or not heard:
        try:
            frame = wire.recv(2048)
        except TimeoutError:
            continue
        mine = frame[:6] == target or frame[0] & _MULTICAST
        found = forgeries.hear(frame, port) if mine and frame[6:12] != forgeries.STRANGER else None
        if found is not None:
            heard += forgeries.forgeries(found)
            if len(heard) >= 3 * KEPT or time.monotonic() > deadline - LISTEN * 0.75:
                break
    return heard


if __name__ == "__main__":
    main(*sys.argv[1:])
