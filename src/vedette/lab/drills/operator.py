"""What an operator does in a drill: asks the daemons, gives orders, edits the document.

What the daemons say is used to know when to go on, never to judge.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from vedette.kit.errors import TransientError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.drills.ground import Ground
from vedette.lab.lab import Lab
from vedette.spec.resolved import Role

ASK_PAUSE = 300 * MILLISECOND
"""Between two questions to daemons (ns): each costs a machine a new process."""

ASK = r"""
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(5)
client.connect(sys.argv[1])
client.sendall(b'{"verb": "status"}\n')
print(client.makefile().readline())
"""
"""Print the daemon's answer as it came: `vedette status -o json` without the cost of a large program."""

Plain = dict[str, Any]


class Operator:
    """``complain`` is told about orders that were not carried out."""

    def __init__(self, lab: Lab, ground: Ground, complain: Callable[[str], None]) -> None:
        self._lab, self._ground, self._complain = lab, ground, complain
        self._asked = 0

    def status(self, node: str) -> Plain | None:
        """The status of a node's daemon; None when it does not answer."""
        try:
            code, out, _ = self._lab.machines[node].run(
                ["python3", "-S", "-c", ASK, "/run/vedette/vedette.sock"], timeout=10
            )
            answer = json.loads(out) if code == 0 else None
        except (ValueError, TransientError):
            return None
        return answer if isinstance(answer, dict) and "nodes" in answer else None

    def status_now_and_then(self, node: str) -> Plain | None:
        """The same for who asks again and again; None also when somebody has asked a moment ago."""
        return self.status(node) if self._may_ask() else None

    def vedette(self, node: str, *words: str, timeout: int = 15) -> None:
        """Run a verb in a machine; it may take so many seconds."""
        code, out, err = self._lab.machines[node].run(["vedette", *words], timeout=timeout)
        if code != 0:
            self._complain(f"vedette {' '.join(words)} on {node} ended with {code}: {(err or out).strip()}")

    def edit(self, text: str, *nodes: str) -> None:
        """Give these nodes, or all, another document, as an editor would."""
        self._lab.edit(text, list(nodes) or None)

    def documents_agree(self) -> bool:
        """Every director runs another document than before, the same one, and finds nothing wrong with it."""
        found = [self.status(node) for node in self._ground.directors]
        digests = {status["spec"]["digest"] for status in found if status is not None and not status["spec"]["error"]}
        return None not in found and len(digests) == 1 and digests != {self._ground.spec.digest}

    def documents_refused(self) -> bool:
        """Every director says what is wrong with its document, and goes on with the former one."""
        found = [self.status(node) for node in self._ground.directors]
        return all(
            status is not None and status["spec"]["error"] and status["spec"]["digest"] == self._ground.spec.digest
            for status in found
        )

    def all_ready(self) -> bool:
        """Every director has a document without an error, and sees every node up and ready."""
        if not self._may_ask():
            return False
        for node in self._ground.directors:
            status = self.status(node)
            if status is None or status["spec"]["error"]:
                return False
            for other in status["nodes"]:
                witness = self._ground.spec.node(other["name"]).role is Role.WITNESS
                if other["state"] != "up" or not (other["ready"] or witness):
                    return False
        return True

    def fence_took(self, node: str) -> int | None:
        """From the order to the sight of ``node`` being off (ns), as the one who had it done has written it down."""
        for witness in self._ground.directors:
            if witness != node and self._lab.machines[witness].alive:
                words = ["vedette", "fence", "history", node, "-o", "json"]
                code, out, _ = self._lab.machines[witness].run(words, timeout=15)
                entries = json.loads(out)["entries"] if code == 0 else []
                done = [entry["seconds"] for entry in entries if entry["result"] == "off"]
                if done:
                    return int(done[-1] * SECOND)
        return None

    def _may_ask(self) -> bool:
        now = time.monotonic_ns()
        if now - self._asked < ASK_PAUSE:
            return False
        self._asked = now
        return True
