"""A flood of forged heartbeats that runs beside a drill."""

import select
import subprocess
import sys

from vedette.kit.errors import TransientError
from vedette.lab import flood
from vedette.lab.lab import Lab


class Flood:
    """Forged, repeated and foreign heartbeats for one node, ``rate`` a second, until :meth:`end`."""

    def __init__(self, lab: Lab, *, node: str, network: str, port: int, rate: int) -> None:
        leg, where = lab.machines[node].plan.leg(network), lab.networks[network]
        command = [sys.executable, "-P", "-m", flood.__name__, where.bridge, leg.mac, str(port), str(rate)]
        self._process = where.namespace.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def begun(self) -> bool:
        """Whether it has begun; raises :class:`TransientError` when it has ended by itself."""
        assert self._process.stdout is not None
        if self._process.poll() is not None:
            raise TransientError("the flood has ended by itself")
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def end(self) -> int:
        """End it; returns how many datagrams were sent, to the last second."""
        self._process.terminate()
        out, _ = self._process.communicate()
        return int(out.split()[-1]) if out.split() else 0
