"""What the gate promises, seen from the other end of the cable."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.addresses.in_kernel.conftest import Serve
from tests.addresses.wire import LAN, VIP, VIP6, Wire, claim_of, ip

from vedette.addresses import frames, gate
from vedette.addresses.gate import FILTER, Deadlines, Gate
from vedette.addresses.model import FOREVER
from vedette.addresses.packets import Sender
from vedette.kit import filters
from vedette.kit.clock import boottime
from vedette.kit.filters import Direction
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Requests
from vedette.kit.units import MILLISECOND, SECOND, seconds

pytestmark = pytest.mark.kernel

NODE = VIP.__class__("10.77.0.1")
MAC = bytes.fromhex("020000000001")
both = pytest.mark.parametrize("address", [VIP, VIP6], ids=["ipv4", "ipv6"])


@pytest.fixture
def requests(wire: Wire) -> Iterator[Requests]:
    with closing(Requests(socket.NETLINK_ROUTE)) as found:
        yield found


@pytest.fixture
def guarded(requests: Requests) -> Iterator[Gate]:
    """A gate in front of both VIPs, which are on the interface."""
    ip(f"addr add {VIP}/32 dev {LAN}", f"addr add {VIP6}/128 dev {LAN} nodad")
    with closing(_open(requests)) as found:
        yield found


def _open(requests: Requests) -> Gate:
    found = Gate.open(requests)
    found.members({VIP: "web", VIP6: "web"})
    assert found.cover([_index()]) == {}
    return found


def _index() -> int:
    return socket.if_nametoindex(LAN)


def _wait_for(deadline: int) -> None:
    while (rest := deadline - boottime()) > 0:
        time.sleep(seconds(rest))


@both
def test_a_group_is_closed_until_it_is_granted(wire: Wire, guarded: Gate, serve: Serve, address: IPAddress) -> None:
    _, client = serve(address)
    assert not wire.resolves(address)
    assert client.served() == 0


@both
def test_a_granted_group_answers(wire: Wire, guarded: Gate, serve: Serve, address: IPAddress) -> None:
    _, client = serve(address)
    guarded.grant("web", FOREVER)
    assert wire.resolves(address)
    assert client.served(5) == 5


@both
def test_after_the_deadline_nothing_is_answered(wire: Wire, guarded: Gate, serve: Serve, address: IPAddress) -> None:
    server, client = serve(address)
    deadline = boottime() + 300 * MILLISECOND
    guarded.grant("web", deadline)
    assert client.served(1) == 1
    _wait_for(deadline)
    late = client.ask(20)
    assert client.answers(late) == set()
    assert not server.received & set(late), "a packet reached the stack after the deadline"
    assert not wire.resolves(address)


@both
def test_a_renewal_keeps_the_group_open_beyond_its_first_deadline(
    wire: Wire, guarded: Gate, serve: Serve, address: IPAddress
) -> None:
    _, client = serve(address)
    first = boottime() + 50 * MILLISECOND
    guarded.grant("web", first)
    guarded.grant("web", first + 60 * SECOND)
    _wait_for(first)
    assert client.served(5) == 5
    assert wire.resolves(address)


@both
def test_announcements_of_a_closed_group_do_not_leave_the_machine(
    wire: Wire, guarded: Gate, address: IPAddress
) -> None:
    with closing(Sender()) as sender:
        with pytest.raises(OSError, match="No buffer space"):  # how packet(7) says "dropped at the hook"
            sender.send(LAN, frames.announcement(MAC, address, router=True))
        assert not wire.hears(lambda frame: claim_of(frame) == address)
        guarded.grant("web", FOREVER)
        sender.send(LAN, frames.announcement(MAC, address, router=True))
        assert wire.hears(lambda frame: claim_of(frame) == address)


@both
def test_announcements_do_not_slip_out_through_an_interface_that_reads_no_types(
    wire: Wire, guarded: Gate, address: IPAddress
) -> None:
    """A macvlan leaves the type of a whole frame unset where the sender does not say it (packet(7))."""
    ip(f"link add link {LAN} name upper0 address 02:00:00:00:00:02 type macvlan", "link set upper0 up")
    assert guarded.cover([socket.if_nametoindex("upper0")]) == {}
    with closing(Sender()) as sender, pytest.raises(OSError, match="No buffer space"):
        sender.send("upper0", frames.announcement(MAC, address, router=True))
    assert not wire.hears(lambda frame: claim_of(frame) == address)


@both
def test_packets_from_a_closed_address_do_not_leave_the_machine(wire: Wire, guarded: Gate, address: IPAddress) -> None:
    """The stack's own questions bear the VIP as sender, and would poison the neighbours of the holder."""
    target = "10.77.0.9" if address.version == 4 else "fd77::9"
    kind = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as sender:
        sender.bind((str(address), 0))
        sender.sendto(b"stale", (target, 9))
        assert not wire.hears(lambda frame: address.packed in frame)


def test_the_nodes_own_address_is_nobodys_business(wire: Wire, guarded: Gate, serve: Serve) -> None:
    _, client = serve(NODE)
    assert wire.resolves(NODE)
    assert client.served(5) == 5


@both
def test_a_lame_duck_forwards_but_does_not_answer(wire: Wire, guarded: Gate, serve: Serve, address: IPAddress) -> None:
    server, client = serve(address)
    guarded.grant("web", boottime() + 60 * SECOND)
    end = boottime() + 400 * MILLISECOND
    guarded.revoke("web", forward_until=end)
    asked = client.ask(5)
    assert client.answers(asked) == set()
    assert server.received >= set(asked)
    assert not wire.resolves(address)
    _wait_for(end)
    late = client.ask(5)
    assert client.answers(late) == set()
    assert not server.received & set(late)


def test_a_lame_duck_never_outlives_the_lease(guarded: Gate) -> None:
    end = boottime() + 50 * MILLISECOND
    guarded.grant("web", end)
    guarded.revoke("web", forward_until=end + SECOND)
    assert guarded.deadlines("web") == Deadlines(answer=0, forward=end)


def test_the_next_gate_finds_deadlines_members_and_filters(requests: Requests) -> None:
    with closing(_open(requests)) as first:
        first.members({VIP: "web", VIP6: "mail"})
        first.grant("mail", 12345)
    before = [filters.installed(requests, FILTER, _index(), direction) for direction in Direction]
    with closing(Gate.open(requests)) as successor:
        assert successor.deadlines("mail") == Deadlines(12345, 12345)
        successor.members({VIP: "web", VIP6: "mail"})
        assert successor.cover([_index()]) == {}
        assert [filters.installed(requests, FILTER, _index(), direction) for direction in Direction] == before
        successor.grant("mail", 23456)
        assert successor.deadlines("mail") == Deadlines(23456, 23456)
        assert successor.deadlines("web") == Deadlines(0, 0)


@both
def test_adoption_neither_opens_nor_closes_for_a_moment(
    wire: Wire, requests: Requests, guarded: Gate, serve: Serve, address: IPAddress
) -> None:
    """Every datagram sent while gates come and go is served in an open group, none in a closed one."""
    other = VIP6 if address == VIP else VIP
    guarded.members({address: "web", other: "mail"})
    guarded.grant("web", FOREVER)
    (_, client), (closed, stranger) = serve(address), serve(other)
    asked: list[bytes] = []
    for _ in range(10):
        asked += client.ask(1)
        stranger.ask(1)
        with closing(Gate.open(requests)) as successor:
            asked += client.ask(1)
            stranger.ask(1)
            successor.members({address: "web", other: "mail"})
            successor.cover([_index()])
            asked += client.ask(1)
            stranger.ask(1)
    assert client.answers(asked) == set(asked)
    assert closed.received == set()


def test_a_killed_daemons_filters_stay_and_stay_closed(wire: Wire, requests: Requests, serve: Serve) -> None:
    ip(f"addr add {VIP}/32 dev {LAN}")
    script = (
        "import os, signal, tests.addresses.in_kernel.test_gate as t; from vedette.kit.netlink import Requests\n"
        "gate = t._open(Requests(t.socket.NETLINK_ROUTE))\n"
        f"gate.grant('web', t.boottime() + {300 * MILLISECOND})\n"
        "print(gate.deadlines('web').answer, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -9
    _, client = serve(VIP)
    _wait_for(int(done.stdout))
    assert client.served(20) == 0
    assert not wire.resolves(VIP)
    with closing(Gate.open(requests)) as successor:
        assert successor.deadlines("web").answer == int(done.stdout)
        successor.grant("web", FOREVER)
        assert client.served(5) == 5


def test_a_filter_that_was_removed_by_hand_is_put_back(wire: Wire, guarded: Gate) -> None:
    subprocess.run(["tc", "qdisc", "del", "dev", LAN, "clsact"], check=True)
    assert wire.resolves(VIP)
    assert guarded.cover([_index()]) == {}
    assert not wire.resolves(VIP)


def test_other_peoples_filters_on_the_interface_stay(requests: Requests, guarded: Gate) -> None:
    tc = ["tc", "filter", "add", "dev", LAN, "ingress", "pref", "9", "protocol", "ip", "u32"]
    done = subprocess.run([*tc, "match", "u32", "0", "0", "action", "ok"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this kernel has no u32 classifier")
    gate.uncover(requests, [_index()])
    assert gate.covered(requests) == frozenset()
    shown = subprocess.run(["tc", "filter", "show", "dev", LAN, "ingress"], stdout=subprocess.PIPE, check=True)
    assert b"u32" in shown.stdout


def test_without_filters_nothing_is_left_of_the_gate(requests: Requests) -> None:
    with closing(_open(requests)) as first:
        first.grant("web", 12345)
        gate.uncover(requests, [_index()])
    with closing(Gate.open(requests)) as fresh:
        assert fresh.deadlines("web") == Deadlines(0, 0)


def test_an_address_of_no_group_is_closed_while_it_is_on_its_way_out(wire: Wire, guarded: Gate) -> None:
    guarded.grant("web", FOREVER)
    guarded.members({VIP: None, VIP6: "web"})
    assert not wire.resolves(VIP)
    assert wire.resolves(VIP6)


def test_a_group_that_comes_back_starts_closed(guarded: Gate) -> None:
    guarded.grant("web", FOREVER)
    guarded.members({})
    guarded.members({VIP: "web"})
    assert guarded.deadlines("web") == Deadlines(0, 0)


def test_groups_keep_their_deadlines_while_others_come_and_go(guarded: Gate) -> None:
    guarded.grant("web", 12345)
    guarded.members({VIP: "mail", VIP6: "web"})
    guarded.grant("mail", 23456)
    guarded.members({VIP6: "web"})
    assert guarded.deadlines("web") == Deadlines(12345, 12345)


def test_granting_an_unknown_group_opens_nothing(guarded: Gate) -> None:
    assert not guarded.grant("other", FOREVER)
    assert guarded.deadlines("other") == Deadlines(0, 0)


def test_a_missing_interface_is_reported_and_hinders_no_other(requests: Requests, guarded: Gate) -> None:
    assert guarded.cover([9999, _index()]).keys() == {9999}
    assert gate.covered(requests) == {_index()}
