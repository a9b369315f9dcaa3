"""``vedette lab``: virtual machines, wires, real servers and a client for trying a document on real kernels."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.cli import options
from vedette.cli.output import Paint, table
from vedette.kit.errors import PermanentError, TransientError, UsageError

if TYPE_CHECKING:
    from vedette.lab.lab import Lab
    from vedette.lab.namespace import Namespace

NAME = "lab"
HELP = "build the machines, networks, servers and clients of a document, and spoil them by hand"
TIMED_OUT = 124

_EPILOG = """\
A lab is made from the document alone: each node becomes a machine (a real Linux kernel in a process, User Mode
Linux), each interface a wire to a network, each real server a stand-in that says its own address, and a client
sits where clients sit. Nothing of it touches the networks of this host. It needs root and the Debian packages
user-mode-linux, kmod and iproute2 (tcpdump to capture).

  vedette lab up cluster.yaml --daemons          build it, boot it, start `vedette run` in every machine
  vedette lab run router1 -- vedette status      a command in a machine
  vedette lab run client -- curl -s http://203.0.113.80/
  vedette lab power off router1                  pull the plug
  vedette lab cut router2 eth1                   pull a cable; `heal` puts it back
  vedette lab server 10.0.0.11 hang              a real server stops answering; `recover` repairs it
  vedette lab device pdu pretend                 a fencing device acknowledges and switches nothing
  vedette lab status
  vedette lab down

Each command means the only lab that is up, or --lab NAME. Logs and states of the machines are below the directory
that `status` shows; VEDETTE_LAB_DIR moves all labs elsewhere.

Exit codes: 0 done; 2 the command line or the document is wrong; 3 it could not be done. `run` ends with the
command's own code, 128 + N if signal N ended it, 124 if its time was up."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, text: str, function: Any, *words: tuple[str, dict[str, Any]]) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        options.output(sub)
        if name != "up":
            sub.add_argument("--lab", metavar="NAME", help="which lab (default: the only one that is up)")
        for word, details in words:
            if "choices" in details:
                options.one_of(sub, word, **details)
                continue
            argument = sub.add_argument(word, **details)
            if word == "file":
                options.names_a_file(argument)
        sub.set_defaults(act=function)
        return sub

    machine = ("machine", {"metavar": "MACHINE"})
    place = ("machine", {"metavar": "MACHINE", "help": "a node's name, `client`, or a real server's address"})
    wire = ("interface", {"metavar": "INTERFACE", "help": "as the kernel calls it there, or the network's name"})

    up = verb("up", "build a lab and boot its machines", _up, ("file", {"metavar": "FILE", "type": Path}))
    up.add_argument("--name", help="what to call it (default: the cluster's name)")
    up.add_argument("--daemons", action="store_true", help="start `vedette run` in every machine")
    down = verb("down", "end a lab and remove every trace of it", _down, ("name", {"metavar": "NAME", "nargs": "?"}))
    down.add_argument("--all", action="store_true", help="every lab of this host, dead ones included")
    verb("status", "show what is up, cut and spoilt", _status, ("name", {"metavar": "NAME", "nargs": "?"}))
    verb("start", "start the daemon where it does not run", _start, ("machine", {"metavar": "MACHINE", "nargs": "*"}))
    run = verb("run", "run a command in a machine", _run, place, ("command", {"metavar": "COMMAND", "nargs": "+"}))
    run.usage = (
        "%(prog)s [-h] [-o {text,json}] [--lab NAME] [--timeout SECONDS] [--stdin] MACHINE -- COMMAND [ARGUMENT ...]"
    )
    run.add_argument("--timeout", metavar="SECONDS", type=float, default=3600.0, help="(default: 3600)")
    run.add_argument("--stdin", action="store_true", help="pass this command's standard input on")
    verb("shell", "open a shell in a machine", _shell, machine)
    verb("power", "pull a machine's plug, or boot it", _power, ("to", {"choices": ("on", "off")}), machine)
    verb("freeze", "stop a whole machine, as a hypervisor does", _freeze, machine)
    verb("thaw", "let a frozen machine go on", _thaw, machine)
    cut = verb("cut", "cut a wire", _cut, machine, wire)
    cut.add_argument("--silent", action="store_true", help="farther away: the machine's interface notices nothing")
    verb("heal", "mend a wire", _heal, machine, wire)
    moods = ("die", "hang", "vanish", "recover")
    server = ("server", {"metavar": "ADDRESS"})
    spoil = verb("server", "spoil or repair a real server", _server, server, ("mood", {"choices": (*moods, "answer")}))
    spoil.add_argument("status", nargs="?", type=int, default=500, help="for `answer`: the HTTP status (default: 500)")
    spoil = verb("device", "spoil or repair a fencing device", _device, ("device", {"metavar": "DEVICE"}))
    faults = "vanish: its wire is cut; refuse: no order is obeyed; pretend: orders are acknowledged, nothing happens; "
    faults += "misread: it says off whatever is; recover: it works"
    options.one_of(spoil, "fault", ("vanish", "refuse", "pretend", "misread", "recover"), help=faults)
    network = ("network", {"metavar": "NETWORK"})
    file = ("file", {"metavar": "FILE", "type": Path})
    capture = verb("capture", "write a network's packets to a pcap file", _capture, network, file)
    capture.add_argument("--seconds", type=float, help="(default: until Ctrl-C)")


def run(args: argparse.Namespace) -> int:
    code: int = args.act(args)
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _lab(args: argparse.Namespace) -> "Lab":
    from vedette.lab import home
    from vedette.lab.lab import Lab  # building the parser of all verbs should not load it

    if args.lab is not None:
        return Lab.attach(args.lab)
    alive = home.living()
    if len(alive) != 1:
        which = f"several labs are up ({', '.join(alive)}): say which with --lab" if alive else "no lab is up"
        raise UsageError(which if alive else f"{which}: `vedette lab up FILE` makes one")
    return Lab.attach(alive[0])


def _done(args: argparse.Namespace, **facts: object) -> int:
    if args.output == "json":
        print(json.dumps(facts, ensure_ascii=False))
    return 0


# Life


def _up(args: argparse.Namespace) -> int:
    from vedette.lab.describe import describe
    from vedette.lab.lab import Lab

    began = time.monotonic()
    lab = Lab.up(args.file, name=args.name, progress=_say)
    try:
        if args.daemons:
            for name in lab.machines:
                lab.start_daemon(name)
        lab.let_go()
    except BaseException:
        lab.down()
        raise
    _say(f"lab {lab.name} is up after {time.monotonic() - began:.1f} s")
    print(json.dumps(describe(lab), indent=2) if args.output == "json" else _text(describe(lab), Paint.of(sys.stdout)))
    return 0


def _down(args: argparse.Namespace) -> int:
    from vedette.lab import home, launch

    if args.all:
        names = home.living()
    else:
        args.lab = args.name or args.lab
        names = [home.find(args.lab).name if args.lab else _nobodys()]
    for name in names:
        launch.end(home.place() / name)
        _say(f"lab {name} is gone")
    return _done(args, ended=names)


def _nobodys() -> str:
    """The only lab that is up, without the need that it answers, when nobody is working with it."""
    from vedette.lab import home

    alive = home.living()
    if len(alive) != 1:
        raise UsageError(f"say which lab, or --all: {', '.join(alive) or 'none is up'}")
    (name,) = alive
    pid = home.holder(home.place() / name)
    if pid is not None:
        raise UsageError(f"process {pid} works with lab {name} and will end it; `vedette lab down {name}` ends it now")
    return name


def _status(args: argparse.Namespace) -> int:
    from vedette.lab import home
    from vedette.lab.describe import describe
    from vedette.lab.lab import Lab

    name = args.name or args.lab
    found = [describe(Lab.attach(name))] if name is not None else [_described(each) for each in home.living()]
    if args.output == "json":
        print(json.dumps({"labs": found}, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(_text(lab, Paint.of(sys.stdout)) for lab in found) or "no lab is up")
    return 0


def _described(name: str) -> dict[str, Any]:
    """What there is to say about one lab of several: one that cannot be looked into does not hide the others."""
    from vedette.lab.describe import describe
    from vedette.lab.lab import Lab

    try:
        return describe(Lab.attach(name))
    except (TransientError, UsageError) as error:  # it may have ended a moment ago
        return {"name": name, "problem": str(error)}


def _text(lab: dict[str, Any], paint: Paint) -> str:
    if "problem" in lab:
        return f"{paint.strong(lab['name'])}: {lab['problem']}"
    machines = [
        [
            machine["name"],
            machine["role"],
            paint.state("up" if machine["power"] == "on" else machine["power"]),
            "running" if machine["daemon"] else "-",
            _interfaces(machine["interfaces"], paint),
        ]
        for machine in lab["machines"]
    ]
    machines.append(["client", "client", paint.state("up"), "-", _interfaces(lab["client"]["interfaces"], paint)])
    blocks = [
        f"{paint.strong(lab['name'])}: cluster {lab['cluster']}, in {lab['directory']}",
        table(["MACHINE", "ROLE", "POWER", "DAEMON", "INTERFACES"], machines),
    ]
    if lab["servers"]:
        servers = [
            [server["address"], server["network"], server["gateway"] or "-", ",".join(server["ports"]), server["state"]]
            for server in lab["servers"]
        ]
        blocks.append(table(["REAL SERVER", "NETWORK", "GATEWAY", "PORTS", "STATE"], servers))
    if lab["devices"]:
        devices = [
            [device["name"], device["simulator"], device["address"], device["network"], _plugs(device["plugs"]),
             paint.state("up") if device["fault"] == "none" else paint.bad(device["fault"])]
            for device in lab["devices"]
        ]  # fmt: skip
        blocks.append(table(["FENCING DEVICE", "SPEAKS", "ADDRESS", "NETWORK", "SWITCHES", "STATE"], devices))
    blocks += [paint.warn(f"note: {note}") for note in lab["notes"]]
    return "\n\n".join(blocks)


def _plugs(plugs: dict[str, str]) -> str:
    return ", ".join(f"{machine} ({plug})" if plug else machine for plug, machine in plugs.items())


def _interfaces(legs: list[dict[str, Any]], paint: Paint) -> str:
    return ", ".join(
        f"{leg['name']} ({leg['network']}) {' '.join(leg['addresses'])}".rstrip()
        + (paint.bad(f" cut ({leg['cut']})") if leg["cut"] else "")
        for leg in legs
    )


# In a lab


def _start(args: argparse.Namespace) -> int:
    lab = _lab(args)
    started = [name for name in args.machine or lab.machines if lab.machine(name) and lab.daemon_pid(name) is None]
    for name in started:
        lab.start_daemon(name)
        _say(f"{name}: its log is {lab.daemon_log(name)}")
    return _done(args, started=started)


def _run(args: argparse.Namespace) -> int:
    import subprocess

    lab = _lab(args)
    stdin = sys.stdin.read() if args.stdin else ""
    code: int | None
    if args.machine in lab.machines:
        code, out, err = lab.machines[args.machine].run(args.command, stdin=stdin, timeout=args.timeout)
    else:
        try:
            done = _place(lab, args.machine).run(args.command, stdin=stdin, timeout=args.timeout)
        except subprocess.TimeoutExpired:
            code, out, err = None, "", ""
        except OSError as error:
            raise PermanentError(f"{args.command[0]}: {error.strerror}") from error
        else:
            code, out, err = done.returncode, done.stdout, done.stderr
    if args.output == "json":
        print(json.dumps({"code": code, "stdout": out, "stderr": err}, ensure_ascii=False))
    else:
        sys.stdout.write(out)
        sys.stderr.write(err)
    if code is None:
        _say(f"ended after {args.timeout:g} s")
        return TIMED_OUT
    return code if code >= 0 else 128 - code


def _place(lab: "Lab", name: str) -> "Namespace":
    """The namespace of the client or of a real server."""
    if name == "client":
        return lab.client
    for address, server in lab.servers.items():
        if str(address) == name:
            return server.namespace
    raise UsageError(
        f"{name} is neither a machine ({', '.join(lab.machines)}) nor `client` nor a real server's address"
    )


def _shell(args: argparse.Namespace) -> int:
    from vedette.lab import terminal

    if not sys.stdin.isatty():
        raise UsageError("a shell needs a terminal; `vedette lab run` runs commands without one")
    _lab(args).machine(args.machine).shell(terminal.join, size=terminal.size())
    return 0


def _power(args: argparse.Namespace) -> int:
    machine = _lab(args).machine(args.machine)
    if args.to == "on":
        machine.power_on()
    else:
        machine.power_off()
    return _done(args, machine=args.machine, power=args.to)


def _freeze(args: argparse.Namespace) -> int:
    _lab(args).machine(args.machine).freeze()
    return _done(args, machine=args.machine, power="frozen")


def _thaw(args: argparse.Namespace) -> int:
    _lab(args).machine(args.machine).thaw()
    return _done(args, machine=args.machine, power="on")


def _cut(args: argparse.Namespace) -> int:
    wire = _lab(args).wire(args.machine, args.interface)
    wire.cut(silent=args.silent)
    return _done(args, machine=args.machine, interface=wire.leg.interface, cut="silent" if args.silent else "cable")


def _heal(args: argparse.Namespace) -> int:
    wire = _lab(args).wire(args.machine, args.interface)
    wire.heal()
    return _done(args, machine=args.machine, interface=wire.leg.interface, cut=None)


def _server(args: argparse.Namespace) -> int:
    server = _lab(args).server(args.server)
    match args.mood:
        case "die":
            server.die()
        case "hang":
            server.hang()
        case "vanish":
            server.vanish()
        case "recover":
            server.recover()
        case "answer":
            server.answer(args.status)
    return _done(args, server=args.server, mood=args.mood)


def _device(args: argparse.Namespace) -> int:
    device = _lab(args).device(args.device)
    match args.fault:
        case "vanish":
            device.vanish()
        case "refuse":
            device.refuse()
        case "pretend":
            device.pretend()
        case "misread":
            device.misread()
        case "recover":
            device.recover()
    return _done(args, device=device.name, fault=args.fault)


def _capture(args: argparse.Namespace) -> int:
    network = _lab(args).network(args.network)
    with network.capture(args.file) as capture:
        _say(f"capturing {network.name} to {args.file}" + ("" if args.seconds else "; Ctrl-C ends it"))
        capture.wait(args.seconds)
    return _done(args, network=network.name, file=str(args.file))
