"""The tables behind snmpd's `pass_persist` directive: an APC unit whose outlets are files, and one of them a process.

``apc.py FOLDER TREES`` speaks the protocol of snmpd.conf(5), MIB-specific extensions; ``apc.py FOLDER TREES on
NUMBER`` switches an outlet on. An outlet N is the file ``outlet.N`` that holds ``on`` or ``off``; a file ``stuck``
makes the unit take commands and do nothing; ``command.N`` is started with outlet N, its process is in ``pid.N``.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

APC = (1, 3, 6, 1, 4, 1, 318, 1, 1)
OUTLETS = (1, 2, 3)
Oid = tuple[int, ...]
UNREAPED: list["subprocess.Popen[bytes]"] = []


def main() -> None:
    folder, trees = Path(sys.argv[1]), sys.argv[2].split(",")
    if len(sys.argv) > 3:
        set_outlet(folder, int(sys.argv[4]), on=sys.argv[3] == "on")
        return
    while line := sys.stdin.readline().strip():
        print(*answer(folder, trees, line), sep="\n", flush=True)


def answer(folder: Path, trees: list[str], line: str) -> list[object]:
    if line == "PING":
        return ["PONG"]
    oid, table = parse(sys.stdin.readline()), objects(folder, trees)
    if line == "set":
        _, value = sys.stdin.readline().split()
        if oid not in table:
            return ["not-writable"]
        switch(folder, oid, int(value))
        return ["DONE"]
    if line == "getnext":
        oid = next((known for known in sorted(table) if known > oid), ())
    if oid not in table:
        return ["NONE"]
    return ["." + ".".join(map(str, oid)), "integer" if isinstance(table[oid], int) else "string", table[oid]]


def parse(text: str) -> Oid:
    return tuple(int(part) for part in text.strip().strip(".").split("."))


def objects(folder: Path, trees: list[str]) -> dict[Oid, int | str]:
    found: dict[Oid, int | str] = {}
    for number in OUTLETS:
        on = (folder / f"outlet.{number}").read_text() == "on"
        if "rpdu" in trees:
            found[(*APC, 12, 3, 5, 1, 1, 2, number)] = f"Outlet {number}"
            found[(*APC, 12, 3, 5, 1, 1, 4, number)] = found[(*APC, 12, 3, 3, 1, 1, 4, number)] = 1 if on else 2
        if "masterSwitch" in trees:
            found[(*APC, 4, 4, 2, 1, 3, number)] = 1 if on else 2
            found[(*APC, 4, 4, 2, 1, 4, number)] = f"Outlet {number}"
        if "rpdu2" in trees:
            found[(*APC, 26, 9, 2, 3, 1, 5, number)] = 2 if on else 1
            found[(*APC, 26, 9, 2, 4, 1, 5, number)] = 1 if on else 2
        if "ups" in trees:
            found[(*APC, 1, 12, 1, 2, 1, 3, number)] = found[(*APC, 1, 12, 3, 2, 1, 3, number)] = 1 if on else 2
    if "ups" in trees:
        output = any((folder / f"outlet.{number}").read_text() == "on" for number in OUTLETS)
        found[(*APC, 1, 4, 1, 1, 0)] = 2 if output else 7
        found[(*APC, 1, 6, 2, 1, 0)] = found[(*APC, 1, 6, 2, 6, 0)] = 1
    return found


def switch(folder: Path, oid: Oid, value: int) -> None:
    if (folder / "stuck").exists():
        return
    if oid[: len(APC) + 2] == (*APC, 1, 6):
        for number in OUTLETS:
            set_outlet(folder, number, on=oid[-2] == 6)
    else:
        set_outlet(folder, oid[-1], on=value == 1)


def set_outlet(folder: Path, number: int, *, on: bool) -> None:
    (folder / f"outlet.{number}").write_text("on" if on else "off")
    pid, command = folder / f"pid.{number}", folder / f"command.{number}"
    if on and command.exists() and not pid.exists():
        devnull = subprocess.DEVNULL
        process = subprocess.Popen(
            command.read_text().split(), stdin=devnull, stdout=devnull, stderr=devnull, start_new_session=True
        )
        pid.write_text(str(process.pid))
        UNREAPED.append(process)
    if not on and pid.exists():
        os.killpg(int(pid.read_text()), signal.SIGKILL)
        pid.unlink()


if __name__ == "__main__":
    main()
