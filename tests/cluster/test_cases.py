"""Datadriven cases: commands and everything that they cause, in text files under ``cases/``.

``REWRITE=1 pytest tests/cluster/test_cases.py`` writes the files anew from what happens; the diff is then reviewed.
A block is a command line, ``----``, and the output up to an empty line. All clocks are one; the kernel obeys at once
unless told otherwise. Output: core events, what the kernel is told, and the datagrams when ``post`` asks for them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.cluster.bench import TIMINGS, Bench, config, group

from vedette.cluster.events import CoreEvent, Gate, Move, Readiness, Standby, Stop, Tick
from vedette.kit.units import MILLISECOND, SECOND, show
from vedette.spec.resolved import Failback, SplitBrainPolicy

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
REWRITE = bool(os.environ.get("REWRITE"))


@dataclass(slots=True)
class Table:
    """Interprets commands; ``told`` counts how much of each seat's output has been printed."""

    bench: Bench = field(default_factory=lambda: Bench(config()))
    told: dict[str, int] = field(default_factory=dict)
    began: int = 0

    def run(self, line: str) -> str:
        verb, *words = line.split()
        act: Callable[..., str | None] = getattr(self, f"do_{verb}")
        shown = act(*words)
        return (shown or "") + self._told()

    def do_cluster(self, nodes: str, policy: str = "majority", failback: str = "automatic") -> None:
        """Nodes with a ``+`` are witnesses."""
        names = [name.strip("+") for name in nodes.split(",")]
        witnesses = [name.strip("+") for name in nodes.split(",") if name.endswith("+")]
        directors = tuple(name for name in names if name not in witnesses)
        one = group("g", directors, failback=Failback(failback), preferred="".join(directors))
        core = config(nodes=names, witnesses=witnesses, groups=(one,), policy=SplitBrainPolicy(policy), timings=TIMINGS)
        self.bench = Bench(core)
        self.began = self.bench.now

    def do_start(self, *names: str) -> None:
        self.bench.start(*names)

    def do_kill(self, *names: str) -> None:
        self.bench.kill(*names)

    def do_reboot(self, name: str) -> None:
        self.bench.reboot(name)

    def do_isolate(self, name: str) -> None:
        self.bench.isolate(name)

    def do_cut(self, *pairs: str) -> None:
        self.bench.cut |= {(pair[0], pair[2]) for pair in pairs}

    def do_heal(self) -> None:
        self.bench.heal()

    def do_run(self, milliseconds: str) -> None:
        self.bench.run(int(milliseconds) * MILLISECOND)

    def do_wake(self, name: str) -> None:
        """Hand one core its Tick at the time it asked for; what it says stays in the post."""
        self.bench.now = max(self.bench.now, self.bench.seats[name].wake_at)
        self.bench.handle(name, Tick())

    def do_post(self) -> str:
        return "".join(f"{self.bench.show(letter)}\n" for letter in self.bench.post)

    def do_carry(self, count: str = "1") -> str:
        carried = self.bench.deliver(rounds=int(count))
        return "".join(f"{self.bench.show(letter)}\n" for letter in carried)

    def do_kernel(self, mood: str) -> None:
        """``obeys``, ``hangs``, or a node's name: its kernel does what it was told."""
        if mood in self.bench.seats:
            self.bench.confirm(mood)
        else:
            self.bench.kernel_obeys = mood == "obeys"

    def do_move(self, to: str, via: str) -> None:
        self.bench.handle(via, Move("g", None if to == "-" else to, "alice", "test"))

    def do_standby(self, name: str, switch: str, via: str) -> None:
        self.bench.handle(via, Standby(name, switch == "on", "alice", "test"))

    def do_gate(self, name: str, switch: str) -> None:
        self.bench.handle(name, Gate(working=switch == "on"))

    def do_cable(self, name: str, switch: str) -> None:
        self.bench.handle(name, Readiness(services=True, connected=switch == "in"))

    def do_stop(self, name: str, how: str = "") -> None:
        self.bench.handle(name, Stop(in_place=how == "inPlace"))

    def do_view(self, name: str) -> str:
        view = self.bench.machine(name).view(self.bench.now)
        lines = [f"quorum {'yes' if view.quorum else 'no'}"]
        for node in view.nodes:
            holds = f" holds {','.join(node.holds)}" if node.holds else ""
            lines.append(f"{node.name} {node.liveness.value}{' ready' if node.ready else ''}{holds}")
        for lease in view.leases:
            until = f" for {show((lease.until - self.bench.now) // MILLISECOND * MILLISECOND)}" if lease.until else ""
            lines.append(f"{lease.group}: {lease.holder or 'nobody'}{until}: {lease.reason}")
        return "".join(f"{line}\n" for line in lines)

    def do_holders(self) -> str:
        return f"{','.join(self.bench.holders()) or 'nobody'}\n"

    def _told(self) -> str:
        """What has happened since the last command, in the order in which it happened at each node."""
        lines = []
        for name, seat in self.bench.seats.items():
            for ready in seat.said[self.told.get(name, 0) :]:
                lines += [f"{name}: {_words(event)}\n" for event in ready.events]
                if ready.stopped:
                    lines.append(f"{name}: may exit\n")
            self.told[name] = len(seat.said)
        return "".join(lines)


def _words(event: CoreEvent) -> str:
    reason = f"({event.reason.value})" if event.reason.value else None
    return " ".join(word for word in (event.what.value, event.group, event.node, reason) if word)


def play(text: str) -> str:
    """Run a case; return it with the output that it has now."""
    table, out = Table(), []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        comments = [line for line in lines if line.startswith("#")]
        commands = (
            [line for line in lines[: lines.index("----")] if not line.startswith("#")] if "----" in lines else []
        )
        out += comments
        if commands:
            shown = "".join(table.run(command) for command in commands)
            out += [*commands, "----", shown.rstrip("\n") or "nothing"]
        out.append("")
    return "\n".join(out)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_happens_is_what_the_case_says(path: Path) -> None:
    written = path.read_text()
    happened = play(written)
    if REWRITE:
        path.write_text(happened)
    assert happened == path.read_text()


def test_a_second_is_a_second() -> None:
    """The unit of ``run`` is milliseconds."""
    table = Table()
    table.do_start()
    before = table.bench.now
    table.run("run 1000")
    assert table.bench.now == before + SECOND
