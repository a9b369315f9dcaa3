"""The power switch of a lab in the words of its simulators, which call this program: ipmi_sim, snmpd, sshd.

    plug.py ipmi SOCKET DEVICE get power        what OpenIPMI's `chassis_control` program is called with
    plug.py pdu|ups SOCKET DEVICE               what snmpd talks to (`pass_persist`, snmpd.conf(5))
    plug.py drac SOCKET DEVICE                  the shell of a controller's user, which knows three commands of racadm

All of them end in one question to the lab's supervisor, in which the switch and its faults are. Nothing but the
standard library is imported, and little of it: for each question of an IPMI client ipmi_sim starts a new process.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator

APC = ".1.3.6.1.4.1.318.1.1"
"""The root of PowerNet-MIB that snmpd leaves to this program."""
TREES = {
    "rpdu": (f"{APC}.12.3.5.1.1.4.", f"{APC}.12.3.3.1.1.4.", {"on": 1, "off": 2}, {1: "on", 2: "off"}),
    "masterSwitch": (f"{APC}.4.4.2.1.3.", f"{APC}.4.4.2.1.3.", {"on": 1, "off": 2}, {1: "on", 2: "off"}),
    "rpdu2": (f"{APC}.26.9.2.3.1.5.", f"{APC}.26.9.2.4.1.5.", {"off": 1, "on": 2}, {1: "on", 2: "off"}),
    "ups": (f"{APC}.1.12.1.2.1.3.", f"{APC}.1.12.3.2.1.3.", {"on": 1, "off": 2}, {1: "on", 2: "off"}),
}
"""Where a tree shows an outlet's state and takes orders for it, how it writes states and reads orders."""
OLDER = {"rpdu": ("masterSwitch",), "rpdu2": ("rpdu", "masterSwitch")}
"""Units show their outlets in the trees of their predecessors, too."""
UPS_OUTPUT, UPS_OFF, UPS_ON = f"{APC}.1.4.1.1.0", f"{APC}.1.6.2.1.0", f"{APC}.1.6.2.6.0"
"""upsBasicOutputStatus (2 on line, 7 off), upsAdvControlUpsOff and upsAdvControlTurnOnUPS (2: now)."""
_ON_LINE, _UPS_IS_OFF, _NOW = 2, 7, 2


class RefusedError(Exception):
    """The switch does not do it; the text says why."""


def ask(path: str, device: str, plug: str, to: str) -> str:
    """Tell the switch of a plug what ``to`` do (``on``, ``off``, or only ``status``); returns its state.

    Raises :class:`RefusedError`, and ``OSError`` when the lab is gone.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        question = {"op": "plug", "device": device, "plug": plug, "to": to}
        connection.sendall(json.dumps(question).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer = json.loads(lines.readline() or b'{"error": "the lab has ended"}')
    if "error" in answer:
        raise RefusedError(answer["error"])
    return str(answer["ok"])


# IPMI


def ipmi(path: str, device: str, words: list[str]) -> int:
    """``get NAME…`` prints ``NAME:VALUE`` lines; ``set NAME VALUE…`` obeys; ``check`` has no objection."""
    verb, rest = words[0], words[1:]
    try:
        if verb == "get":
            for name in rest:
                if name == "power":
                    print(f"power:{int(ask(path, device, '', 'status') == 'on')}")
        elif verb == "set":
            for name, value in zip(rest[::2], rest[1::2], strict=True):
                if name != "power":
                    raise RefusedError(f"nothing here sets {name}")
                ask(path, device, "", "on" if value == "1" else "off")
    except (RefusedError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# SNMP


class Objects:
    """The objects of one unit. ``tree`` is its own; ``plugs`` are its outlets, a UPS's whole output being ``""``."""

    def __init__(self, path: str, device: str, tree: str, plugs: list[str]) -> None:
        self._path, self._device = path, device
        self._trees = [TREES[name] for name in (tree, *OLDER.get(tree, ()))]
        self._outlets = sorted(int(plug) for plug in plugs if plug.isdigit())
        self._whole = tree == "ups"

    def get(self, oid: str) -> int | None:
        """The value of an object; None: there is none. A tree for orders shows the state in the words of orders."""
        for shown, ordered, states, orders in self._trees:
            for prefix, values in ((shown, states), (ordered, {state: value for value, state in orders.items()})):
                outlet = self._outlet(oid, prefix)
                if outlet is not None:
                    return values[self._state(str(outlet))]
        if self._whole and oid in (UPS_OUTPUT, UPS_OFF, UPS_ON):
            output = _ON_LINE if self._state("") == "on" else _UPS_IS_OFF
            return output if oid == UPS_OUTPUT else 1
        return None

    def set(self, oid: str, value: int) -> None:
        """Obey; raises :class:`RefusedError` on an object or a value that takes no orders."""
        for _, ordered, _, orders in self._trees:
            outlet = self._outlet(oid, ordered)
            if outlet is not None and value in orders:
                ask(self._path, self._device, str(outlet), orders[value])
                return
        if self._whole and oid in (UPS_OFF, UPS_ON) and value == _NOW:
            ask(self._path, self._device, "", "off" if oid == UPS_OFF else "on")
            return
        raise RefusedError("no such object takes this value")

    def after(self, oid: str) -> str | None:
        """The object behind ``oid`` (for walks)."""
        return min((known for known in self._known() if _key(known) > _key(oid)), key=_key, default=None)

    def _known(self) -> Iterator[str]:
        for shown, ordered, _, _ in self._trees:
            yield from (f"{prefix}{outlet}" for prefix in (shown, ordered) for outlet in self._outlets)
        if self._whole:
            yield from (UPS_OUTPUT, UPS_OFF, UPS_ON)

    def _outlet(self, oid: str, prefix: str) -> int | None:
        rest = oid.removeprefix(prefix)
        return int(rest) if rest != oid and rest.isdigit() and int(rest) in self._outlets else None

    def _state(self, plug: str) -> str:
        return ask(self._path, self._device, plug, "status")


def _key(oid: str) -> list[int]:
    return [int(part) for part in oid.strip(".").split(".")]


def snmp(objects: Objects) -> None:
    """Speak `pass_persist` until snmpd ends."""
    for line in sys.stdin:
        verb = line.strip()
        if verb == "PING":
            _say("PONG")
        elif verb in ("get", "getnext"):
            oid = sys.stdin.readline().strip()
            _show(objects, objects.after(oid) if verb == "getnext" else oid)
        elif verb == "set":
            oid, value = sys.stdin.readline().strip(), sys.stdin.readline().split()
            _order(objects, oid, value)


def _show(objects: Objects, oid: str | None) -> None:
    try:
        value = objects.get(oid) if oid is not None else None
    except (RefusedError, OSError):
        value = None
    if oid is None or value is None:
        _say("NONE")
    else:
        _say(oid, "integer", str(value))


def _order(objects: Objects, oid: str, value: list[str]) -> None:
    try:
        objects.set(oid, int(value[-1]))
    except (RefusedError, OSError, ValueError, IndexError):
        _say("not-writable")
    else:
        _say("DONE")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


# racadm


def racadm(path: str, device: str, words: list[str], plugs: list[str]) -> int:
    """``serveraction powerdown|powerup|powerstatus``, with ``-m MODULE`` for a module of a chassis."""
    if words[:1] == ["racadm"]:
        words = words[1:]
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    orders = {"powerdown": "off", "powerup": "on", "powerstatus": "status"}
    order = next((orders[word] for word in words if word in orders), None)
    if words[:1] != ["serveraction"] or order is None or module not in plugs:
        print("ERROR: Invalid subcommand specified.")
        return 1
    try:
        state = ask(path, device, module, order)
    except (RefusedError, OSError):
        print("ERROR: Unable to perform the requested operation.")
        return 1
    print(f"Server power status: {state.upper()}" if order == "status" else "Server power operation successful")
    return 0


def shell(path: str, device: str, plugs: list[str]) -> int:
    """The command that sshd was asked to run, or a prompt for commands, one a line."""
    command = os.environ.get("SSH_ORIGINAL_COMMAND")
    if command is not None:
        return racadm(path, device, command.split(), plugs)
    while True:
        print("/admin1-> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() in ("exit", "quit"):
            return 0
        if line.strip():
            racadm(path, device, line.split(), plugs)


def main(dialect: str, path: str, device: str, *rest: str) -> int:
    if dialect == "ipmi":
        return ipmi(path, device, list(rest))
    if dialect == "drac":
        return shell(path, device, list(rest))
    snmp(Objects(path, device, rest[0], list(rest[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
