"""Ports of connections through a service that did not come about."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from vedette.health import aim as aims
from vedette.health import ports as module
from vedette.health.aim import Aim
from vedette.health.ports import Ports
from vedette.kit.net import parse
from vedette.state.health import Behind

BEHIND = Behind(parse("127.0.0.1"), 0, near=True)
OTHER = replace(BEHIND, server=parse("127.0.0.2"))
PEER = ("203.0.113.80", 80)


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    fresh = Ports()
    monkeypatch.setattr(aims, "ports", fresh)
    return fresh


@pytest.fixture
def opened() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        yield found


def port_of(aim: Aim) -> int:
    with closing(aim.open(socket.SOCK_STREAM)) as found:
        return int(found.getsockname()[1])


def aim(behind: Behind | None = BEHIND) -> Aim:
    return Aim(socket.AF_INET, PEER, behind=behind)


def test_a_port_is_given_to_the_same_server_once(opened: socket.socket) -> None:
    found = Ports()
    found.keep(BEHIND, PEER, opened)
    assert found.take(OTHER, PEER) == 0
    assert found.take(BEHIND, (PEER[0], 81)) == 0
    assert found.take(BEHIND, PEER) == opened.getsockname()[1]
    assert found.take(BEHIND, PEER) == 0


def test_no_more_than_so_many_are_remembered(opened: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    found = Ports()
    behinds = [replace(BEHIND, mark=number) for number in (1, 2, 3)]
    for behind in behinds:
        found.keep(behind, PEER, opened)
    assert [bool(found.take(behind, PEER)) for behind in behinds] == [False, True, True]


def test_a_server_that_has_not_answered_is_asked_from_the_same_port_again(ports: Ports) -> None:
    with closing(socket.socket()) as earlier:
        earlier.bind(("127.0.0.1", 0))
        port = earlier.getsockname()[1]
        aim().failed(earlier)
    assert port_of(aim()) == port
    assert port_of(aim()) == 0, "the kernel chooses when connecting"


def test_a_port_that_somebody_else_has_by_now_is_left_to_them(ports: Ports, opened: socket.socket) -> None:
    aim().failed(opened)
    assert port_of(aim()) == 0


def test_datagrams_leave_the_port_to_connections(ports: Ports) -> None:
    with closing(socket.socket()) as earlier:
        earlier.bind(("127.0.0.1", 0))
        port = earlier.getsockname()[1]
        aim().failed(earlier)
    with closing(aim().open(socket.SOCK_DGRAM)) as datagrams:
        assert datagrams.getsockname()[1] != port
    assert port_of(aim()) == port


def test_a_direct_check_remembers_nothing(ports: Ports, opened: socket.socket) -> None:
    direct = Aim(socket.AF_INET, PEER, sources=("127.0.0.1",))
    direct.failed(opened)
    assert port_of(direct) == 0
