"""When a node that was told by ssh to switch itself off counts as off. Real ones are in test_contract.py."""

import asyncio
import errno
import os
from dataclasses import dataclass, field

import pytest

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers import login, neighbour, ssh
from vedette.fencing.drivers.neighbour import Neighbour
from vedette.fencing.drivers.ssh import SshDevice
from vedette.kit.net import parse
from vedette.spec.resolved import Secret, Ssh, SshLogin

TAKEN = login.Answer(None, f"{ssh.MARK}\n")


@dataclass
class Node:
    """What the driver meets. ``error``: what a connection comes to, 0 = somebody takes it."""

    says: login.Answer = TAKEN
    error: int = 0
    known: Neighbour = Neighbour.THERE
    now: int = 1
    told: list[str] = field(default_factory=list)

    def device(self) -> SshDevice:
        driver = Ssh(SshLogin(parse("192.0.2.7"), "root", "known-hosts", password=Secret("geheim")), "poweroff -f -f")
        return SshDevice(driver, now=lambda: self.now)

    async def command(self, _: SshLogin, text: str, *, patience: int = 0) -> login.Answer:
        self.told.append(text)
        return self.says

    async def connect(self, *_: object) -> object:
        if self.error == errno.ETIMEDOUT:
            raise TimeoutError
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return None, Writer()


class Writer:
    def close(self) -> None:
        pass


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(login, "command", made.command)
    monkeypatch.setattr(neighbour, "look", lambda _: made.known)
    monkeypatch.setattr(asyncio, "open_connection", made.connect)
    return made


def seen(device: SshDevice) -> Power | str:
    try:
        return asyncio.run(device.status(None))
    except DeviceError as error:
        return str(error)


@pytest.mark.parametrize("error", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_it_is_off_when_nobody_has_its_address_any_more(node: Node, error: int) -> None:
    device = node.device()
    asyncio.run(device.off(None))
    node.error, node.known = error, Neighbour.GONE
    assert seen(device) is Power.OFF


@pytest.mark.parametrize("error", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
@pytest.mark.parametrize("known", [Neighbour.THERE, Neighbour.ELSEWHERE])
def test_a_port_that_does_not_answer_is_not_off(node: Node, error: int, known: Neighbour) -> None:
    """A full queue or a firewall drops connections, or has them refused with "host prohibited"."""
    device = node.device()
    asyncio.run(device.off(None))
    node.error, node.known = error, known
    assert seen(device) is not Power.OFF


@pytest.mark.parametrize("error", [0, errno.ECONNREFUSED, errno.ENETUNREACH])
def test_a_node_that_answers_is_not_off_whatever_the_table_says(node: Node, error: int) -> None:
    device = node.device()
    asyncio.run(device.off(None))
    node.error, node.known = error, Neighbour.GONE
    assert seen(device) is Power.ON


def test_silence_without_an_order_is_not_off(node: Node) -> None:
    node.error, node.known, node.says = errno.ETIMEDOUT, Neighbour.GONE, login.Answer(None, "")
    assert seen(node.device()) is not Power.OFF


@pytest.mark.parametrize(
    "output",
    [
        "% Unknown command: {text}\n",
        "{text}\n",
        f"you said {ssh.MARK}\n",
        "",
    ],
)
def test_what_only_repeats_the_order_has_not_taken_it(node: Node, output: str) -> None:
    async def repeat(_: SshLogin, text: str, *, patience: int = 0) -> login.Answer:
        return login.Answer(0, output.format(text=text))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(login, "command", repeat)
        with pytest.raises(DeviceError, match="refuses the command"):
            asyncio.run(node.device().off(None))


def test_a_silent_node_that_has_taken_the_order_is_not_told_again(node: Node) -> None:
    """That its address has nobody any more may only be known when the device's time was over once."""
    device = node.device()
    asyncio.run(device.off(None))
    node.error = errno.ETIMEDOUT
    asyncio.run(device.off(None))
    assert len(node.told) == 1
    node.known = Neighbour.GONE
    assert seen(device) is Power.OFF


def test_an_order_does_not_stand_for_ever(node: Node) -> None:
    device = node.device()
    asyncio.run(device.off(None))
    node.error, node.known, node.says = errno.ETIMEDOUT, Neighbour.GONE, login.Answer(None, "")
    node.now += ssh.STANDS
    with pytest.raises(DeviceError):
        asyncio.run(device.off(None))
    assert seen(device) is not Power.OFF


def test_a_node_that_answers_is_told_again(node: Node) -> None:
    device = node.device()
    asyncio.run(device.off(None))
    asyncio.run(device.off(None))
    assert len(node.told) == 2


def test_that_it_is_behind_a_router_is_told_beforehand(node: Node) -> None:
    node.known = Neighbour.ELSEWHERE
    (problem,) = asyncio.run(node.device().check(None))
    assert "router" in problem


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine_is_no_neighbour(address: str) -> None:
    assert neighbour.look(parse(address)) is Neighbour.ELSEWHERE
