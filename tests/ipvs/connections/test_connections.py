"""Connections in step: the datagrams, the kernel's list, whose connection it is, which daemons to start."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs.connections.datagrams import Decoded, decode

from vedette.ipvs.connections import codec, wire
from vedette.ipvs.connections.dump import Elsewhere, Young
from vedette.ipvs.connections.model import (
    ANY,
    SCTP,
    TCP,
    UDP,
    Connection,
    Daemon,
    Line,
    Role,
    parse,
    text,
    virtual_text,
    wanted,
)
from vedette.ipvs.connections.plan import Start, Step, Stop, plan
from vedette.ipvs.connections.reconciler import SyncDaemons
from vedette.ipvs.connections.services import PERSISTENCE, Services
from vedette.ipvs.model import AddressKey, Destination, DestinationKey, MarkKey, Method, Service, Settings, Table
from vedette.kit.errors import PermanentError
from vedette.spec.resolved import ConnectionSync, Node, Protocol
from vedette.spec.resolved import Role as NodeRole

GROUP = ip_address("224.0.0.81")
MASTER = Daemon(Role.MASTER, "lo", 1, GROUP, 8848)
BACKUP = replace(MASTER, role=Role.BACKUP)

ports = st.integers(0, 0xFFFF)


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    version, protocol = draw(st.sampled_from((4, 6))), draw(st.sampled_from((TCP, UDP, SCTP)))
    packed = st.binary(min_size=4 if version == 4 else 16, max_size=4 if version == 4 else 16)
    template = draw(st.booleans())
    engine, data = draw(st.sampled_from((("", b""), ("sip", b"call-id@host"))))
    return Connection(
        version=version,
        protocol=protocol,
        client=draw(packed),
        client_port=0 if template else draw(st.integers(1, 0xFFFF)),
        virtual=draw(packed),
        virtual_port=draw(ports),
        server=draw(packed),
        server_port=draw(ports),
        state=draw(st.integers(0, 1 if template else {TCP: 10, UDP: 0, SCTP: 13}[protocol])),
        template=template,
        engine=engine,
        engine_data=data,
    )


entries = st.builds(
    wire.Entry,
    connections(),
    st.sampled_from((Method.MASQUERADE, Method.LOCAL, Method.TUNNEL, Method.DIRECT_ROUTING)),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
)


# the datagrams


@given(st.lists(entries, max_size=120), st.integers(1, 255))
def test_every_entry_arrives_once_in_order_and_unharmed(given_entries: list[wire.Entry], number: int) -> None:
    found: list[Decoded] = []
    for datagram in wire.datagrams(given_entries, id=number):
        assert len(datagram) <= wire.LARGEST
        sender, part = decode(datagram)
        assert sender == number
        assert part
        found += part
    assert [_seen(item) for item in found] == [_meant(entry) for entry in given_entries]


def _seen(item: Decoded) -> tuple[object, ...]:
    return item.version, item.protocol, item.state, item.ports, item.mark, item.timeout, item.addresses, item.options


def _meant(entry: wire.Entry) -> tuple[object, ...]:
    item = entry.connection
    return (
        item.version,
        item.protocol,
        item.state,
        (item.client_port, item.virtual_port, item.server_port),
        entry.mark,
        entry.timeout,
        (item.client, item.virtual, item.server),
        ((2, item.engine_data), (3, item.engine.encode())) if item.engine else (),
    )


@given(entries)
def test_the_flags_say_how_it_is_forwarded_and_counted(entry: wire.Entry) -> None:
    flags, item = decode(next(wire.datagrams([entry], id=1)))[1][0].flags, entry.connection
    assert flags & 0x7 == entry.method
    assert bool(flags & 0x80) == (entry.method is not Method.MASQUERADE)
    assert bool(flags & 0x1000) == item.template
    assert bool(flags & 0x100) == (not item.template and not item.active)


def test_forty_connections_of_ipv4_fit_into_one_datagram() -> None:
    one = Connection(4, TCP, b"\1\1\1\1", 1, b"\2\2\2\2", 80, b"\3\3\3\3", 80, 1)
    assert [part[4] for part in wire.datagrams([wire.Entry(one, Method.MASQUERADE)] * 81, id=1)] == [40, 40, 1]


# the kernel's list

ESTABLISHED = b"TCP C0A80001 9C40 CB007150 0050 0A00000B 0050 ESTABLISHED"


def test_the_kernels_list_is_read() -> None:
    lines: list[Line] = [
        (ESTABLISHED, b""),
        (b"UDP C0A80001 0035 CB007150 0035 0A000035 0035 UDP", b""),
        (b"TCP C0A80001 0000 CB007150 0000 0A00000B 0000 ASSURED", b""),
        (b"IP  C0A80001 0000 00000005 0000 0A00000B 0000 NONE", b""),
        (b"UDP C0A80001 0000 CB007150 13C4 0A00000B 13C4 NONE", b" sip 12345@host"),
        (
            b"TCP 2001:0db8:0000:0000:0000:0000:0000:0001 9C40 2001:0db8:0000:0000:0000:0000:0000:0080 0050 "
            b"2001:0db8:0000:0000:0000:0000:0000:000b 0050 SYN_RECV",
            b"",
        ),
    ]
    tcp, udp, template, mark, sip, six = parse(lines)
    assert (tcp.client, tcp.client_port) == (IPv4Address("192.168.0.1").packed, 40000)
    assert (tcp.server, tcp.server_port) == (IPv4Address("10.0.0.11").packed, 80)
    assert (tcp.state, tcp.active, tcp.template) == (1, True, False)
    assert (udp.protocol, udp.state, udp.active) == (UDP, 0, False)
    assert (template.template, template.state) == (True, 1)
    assert (mark.protocol, mark.template) == (ANY, True)
    assert (sip.engine, sip.engine_data) == ("sip", b"12345@host")
    assert (six.version, six.virtual) == (6, IPv6Address("2001:db8::80").packed)
    assert six.state == 3


@pytest.mark.parametrize(
    "key",
    [
        b"TCP C0A80001 9C40 CB007150 0050 2001:0db8:0000:0000:0000:0000:0000:000b 0050 ESTABLISHED",
        b"AH C0A80001 0000 CB007150 0000 0A00000B 0000 NONE",
        b"TCP C0A80001 9C40 CB007150 0050 0A00000B 0050 OF-TOMORROW",
    ],
)
def test_what_the_protocol_has_no_form_for_is_passed_over(key: bytes) -> None:
    assert list(parse([(key, b"")])) == []


def test_only_connections_that_can_go_on_are_worth_a_datagram() -> None:
    states = (b"ESTABLISHED", b"FIN_WAIT", b"TIME_WAIT", b"CLOSE", b"LAST_ACK")
    found = parse((ESTABLISHED.replace(b"ESTABLISHED", state), b"") for state in states)
    assert [item.over for item in found] == [False, False, True, True, False]


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)))
def test_an_address_is_found_in_the_list_without_taking_it_apart(address: bytes) -> None:
    line = (b"TCP %s 9C40 %s 0050 %s 0050 ESTABLISHED" % ((text(address),) * 3), b"")
    assert virtual_text(line) == text(address)
    assert next(parse([line])).virtual == address


# whose connection it is

WEB = AddressKey(Protocol.TCP, ip_address("203.0.113.80"), 80)
ANY_PORT = AddressKey(Protocol.TCP, ip_address("203.0.113.81"), 0)
MARK = MarkKey(4, 5)
SERVER = DestinationKey(ip_address("10.0.0.11"), 80)
TABLE: Table = {
    WEB: Service(Settings("wlc", persistence=600), {SERVER: Destination(1, Method.DIRECT_ROUTING)}),
    ANY_PORT: Service(Settings("wlc", persistence=60), {DestinationKey(SERVER.address, 0): Destination(1)}),
    MARK: Service(Settings("wlc", persistence=30), {DestinationKey(ip_address("10.0.0.12"), 0): Destination(1)}),
}


def entry_of(key: bytes) -> wire.Entry:
    found = Services(TABLE).entry(next(parse([(key, b"")])))
    assert found is not None
    return found


def test_a_connection_is_forwarded_as_its_services_server_is() -> None:
    found = entry_of(ESTABLISHED)
    assert (found.method, found.mark, found.timeout) == (Method.DIRECT_ROUTING, 0, 0)


def test_a_connection_that_no_address_leads_to_belongs_to_the_mark_that_has_its_server() -> None:
    assert entry_of(ESTABLISHED.replace(b"CB007150 0050 0A00000B", b"CB007170 0050 0A00000C")).mark == 5


def test_a_template_brings_the_time_out_of_its_service() -> None:
    assert entry_of(b"TCP C0A80001 0000 CB007150 0050 0A00000B 0050 NONE").timeout == 600
    assert entry_of(b"TCP C0A80001 0000 CB007151 0000 0A00000B 0000 NONE").timeout == 60
    of_mark = entry_of(b"IP  C0A80001 0000 00000005 0000 0A00000C 0000 NONE")
    assert (of_mark.timeout, of_mark.mark) == (30, 5)


def test_a_template_of_a_service_that_keeps_none_any_more_lasts_for_the_kernels_default() -> None:
    table: Table = {WEB: replace(TABLE[WEB], settings=Settings("wlc"))}
    template = next(parse([(b"TCP C0A80001 0000 CB007150 0050 0A00000B 0050 NONE", b"")]))
    assert [entry.timeout for entry in Services(table).entries([template])] == [PERSISTENCE]


def test_a_connection_whose_server_was_taken_out_is_not_told() -> None:
    gone = parse([(ESTABLISHED.replace(b"0A00000B", b"0A00000F"), b""), (ESTABLISHED, b"")])
    assert [entry.connection.server[-1] for entry in Services(TABLE).entries(gone)] == [0x0B]


def test_what_another_holds_is_not_told_by_us() -> None:
    elsewhere = Elsewhere(frozenset({IPv4Address("203.0.113.80").packed}), frozenset({5}))
    ours, theirs, mark = parse(
        [
            (ESTABLISHED.replace(b"CB007150", b"CB007151"), b""),
            (ESTABLISHED, b""),
            (b"IP  C0A80001 0000 00000005 0000 0A00000C 0000 NONE", b""),
        ]
    )
    assert [item in elsewhere for item in (ours, theirs, mark)] == [False, True, True]


# the young


def test_the_young_are_what_is_new_since_the_last_look() -> None:
    young, old, new = Young(), (ESTABLISHED, b""), (ESTABLISHED.replace(b"9C40", b"9C41"), b"")
    assert young.fresh([old]) == []
    assert young.fresh([old, new]) == [new]
    assert young.fresh([old, new]) == []


def test_after_a_pause_nothing_is_young() -> None:
    young = Young()
    young.fresh([])
    young.forget()
    assert young.fresh([(ESTABLISHED, b"")]) == []


def test_a_handshake_that_has_ended_is_news() -> None:
    young, done = Young(), (ESTABLISHED, b"")
    young.fresh([(ESTABLISHED.replace(b"ESTABLISHED", b"SYN_RECV"), b"")])
    assert young.fresh([done]) == [done]


# the daemons

daemons = st.builds(
    Daemon,
    st.sampled_from(Role),
    st.sampled_from(("eth0", "eth1")),
    st.integers(1, 255),
    st.sampled_from((GROUP, ip_address("239.1.2.3"), ip_address("ff02::81"))),
    st.integers(1, 0xFFFF),
    st.integers(1, 255),
)


@given(daemons)
def test_a_daemon_reads_back_as_it_was_sent(daemon: Daemon) -> None:
    assert codec.read(codec.start(daemon)) == daemon


def test_every_director_runs_both_on_the_interface_as_its_own_kernel_calls_it() -> None:
    node = Node("one", NodeRole.DIRECTOR, None, {"cross": "eth2"})
    found = wanted(ConnectionSync("cross", GROUP, id=7), node)
    assert {daemon.role for daemon in found} == set(Role)
    assert wanted(ConnectionSync("cross", GROUP), replace(node, role=NodeRole.WITNESS)) == ()
    assert {(daemon.interface, daemon.id, daemon.port) for daemon in found} == {("eth2", 7, 8848)}


class Fake:
    """Sync daemons as the kernel keeps them: one of each role, nothing changed in place."""

    def __init__(self, *running: Daemon) -> None:
        self.running = {daemon.role: daemon for daemon in running}
        self.refusal = ""
        self.steps: list[Step] = []

    def daemons(self) -> tuple[Daemon, ...]:
        return tuple(self.running.values())

    def perform(self, step: Step) -> str:
        self.steps.append(step)
        match step:
            case Stop(role):
                self.running.pop(role)
            case Start(daemon):
                if self.refusal:
                    return self.refusal
                assert daemon.role not in self.running
                self.running[daemon.role] = daemon
        return ""

    def tune(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        pass


@given(st.lists(daemons, max_size=4), st.lists(daemons, max_size=4), st.lists(daemons, max_size=2))
def test_a_plan_leads_to_what_is_wanted_and_leaves_strangers_alone(
    found: list[Daemon], wished: list[Daemon], owned: list[Daemon]
) -> None:
    before = {daemon.role: daemon for daemon in found}
    target = {daemon.role: daemon for daemon in wished}
    kernel = Fake(*before.values())
    for step in plan(target.values(), before.values(), owned=owned):
        kernel.perform(step)
    for role in Role:
        stays = role in before and before[role] not in owned
        assert kernel.running.get(role) == (target.get(role) or (before[role] if stays else None))
    assert plan(target.values(), kernel.running.values(), owned=owned) == []


def test_a_daemon_that_somebody_stopped_comes_back(tmp_path: Path) -> None:
    kernel = Fake()
    target = SyncDaemons(tmp_path, driver=kernel)
    target.look((BACKUP, MASTER))
    del kernel.running[Role.MASTER]
    target.look((BACKUP, MASTER))
    assert set(kernel.running.values()) == {BACKUP, MASTER}


def test_a_daemon_with_other_settings_is_replaced(tmp_path: Path) -> None:
    kernel = Fake(replace(MASTER, id=9), replace(BACKUP, port=9000))
    SyncDaemons(tmp_path, driver=kernel).look((BACKUP, MASTER))
    assert set(kernel.running.values()) == {BACKUP, MASTER}


def test_without_the_document_ours_are_stopped_by_the_next_process_too(tmp_path: Path) -> None:
    kernel = Fake()
    SyncDaemons(tmp_path, driver=kernel).look((BACKUP, MASTER))
    SyncDaemons(tmp_path, driver=kernel).look(())
    assert kernel.running == {}


def test_a_strangers_daemon_stays_where_the_document_wants_none(tmp_path: Path) -> None:
    kernel = Fake(replace(MASTER, id=9))
    SyncDaemons(tmp_path, driver=kernel).look(())
    assert set(kernel.running.values()) == {replace(MASTER, id=9)}


def test_what_was_learnt_lasts_as_long_as_the_backup_daemon(tmp_path: Path) -> None:
    kernel = Fake()
    first = SyncDaemons(tmp_path, driver=kernel)
    first.look((BACKUP, MASTER))
    assert not first.learnt
    first.learn()
    second = SyncDaemons(tmp_path, driver=kernel)
    second.look((BACKUP, MASTER))
    assert second.learnt
    del kernel.running[Role.BACKUP]
    second.look((BACKUP, MASTER))
    assert not second.learnt


def test_a_missing_interface_is_a_problem_until_it_is_there(tmp_path: Path) -> None:
    kernel = Fake()
    kernel.refusal = "there is no interface eth9 here"
    target = SyncDaemons(tmp_path, driver=kernel)
    target.look((BACKUP, MASTER))
    assert target.problem == kernel.refusal
    kernel.refusal = ""
    target.look((BACKUP, MASTER))
    assert target.problem == ""


def test_after_a_cut_wire_everything_is_to_be_learnt_and_told_anew(tmp_path: Path) -> None:
    """The kernel notices nothing of it: its daemons go on, and what was told meanwhile is lost."""
    wire_is_whole = True
    target = SyncDaemons(tmp_path, driver=Fake(), carrier=lambda _: wire_is_whole)
    target.look((BACKUP, MASTER))
    target.learn()
    wire_is_whole = False
    target.look((BACKUP, MASTER))
    assert "no carrier" in target.problem
    assert (target.learnt, target.returned) == (True, False)
    wire_is_whole = True
    target.look((BACKUP, MASTER))
    assert (target.problem, target.learnt, target.returned) == ("", False, True)


def test_in_maintenance_a_difference_is_said_and_nothing_touched(tmp_path: Path) -> None:
    kernel = Fake(BACKUP)
    target = SyncDaemons(tmp_path, driver=kernel)
    target.look((BACKUP, MASTER), touch=False)
    assert kernel.steps == []
    assert "maintenance" in target.problem


def test_a_kernel_without_ipvs_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    class Without(Fake):
        def daemons(self) -> tuple[Daemon, ...]:
            raise PermanentError("this kernel has no IPVS")

    target = SyncDaemons(tmp_path, driver=Without())
    target.look((BACKUP, MASTER))
    assert target.problem == "this kernel has no IPVS"
