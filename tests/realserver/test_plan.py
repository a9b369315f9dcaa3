"""Plans hold from any state, and an undo leads back to where it began."""

import errno
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.realserver.fake import BARE, OWN, OWN6, FakeKernel

from vedette.kit.errors import PermanentError
from vedette.kit.net import IPAddress
from vedette.realserver import arp, plan
from vedette.realserver.model import (
    MARK,
    Assigned,
    Device,
    Kind,
    Link,
    Make,
    Observed,
    Open,
    Port,
    Put,
    Record,
    Restore,
    Set,
    Step,
    Wanted,
)
from vedette.realserver.reconciler import Reconciler

VIPS = [ip_address(text) for text in ("203.0.113.80", "203.0.113.81", "2001:db8::80")]
DEVICES = [
    Device(Kind.IPIP, OWN),
    Device(Kind.SIT, OWN),
    Device(Kind.GRE, OWN),
    Device(Kind.GRE, OWN, checksum=True),
    Device(Kind.IP6TNL, OWN6),
]
PORTS = [Port(4, 6080), Port(6, 6080)]
WEB = Wanted(vips={VIPS[0]: ("web",), VIPS[2]: ("web",)}, devices={DEVICES[0]: frozenset({VIPS[0]})})


def _end(device: Device) -> tuple[Kind, IPAddress]:
    return device.kind, device.local


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    vips = draw(st.lists(st.sampled_from(VIPS), unique=True))
    devices = draw(st.lists(st.sampled_from(DEVICES), unique_by=_end)) if vips else []
    inside = {device: frozenset(draw(st.lists(st.sampled_from(vips), min_size=1))) for device in devices}
    return Wanted(dict.fromkeys(vips, ("web",)), inside, frozenset(draw(st.lists(st.sampled_from(PORTS)))))


@st.composite
def kernels(draw: st.DrawFn) -> Observed:
    """A machine as it is found: any settings, other people's devices, ports and addresses."""
    values = st.sampled_from(["0", "1", "2", "3", "4", "8"])
    settings = {setting: draw(values) for setting in BARE.settings}
    links = dict(BARE.links)
    addresses = list(BARE.addresses)
    if draw(st.booleans()):
        links[3] = Link(3, "tunl0", up=draw(st.booleans()), neighbours=False, kind="ipip", local=ip_address("0.0.0.0"))
        settings |= {arp.setting("tunl0", name): "0" for name in ("arp_ignore", "arp_announce", "rp_filter")}
    if draw(st.booleans()):
        addresses.append(Assigned(VIPS[0], draw(st.sampled_from([24, 32])), draw(st.sampled_from([1, 2]))))
    ports = dict.fromkeys(draw(st.lists(st.sampled_from(PORTS), unique=True)), True)
    return Observed(links, tuple(addresses), settings, ports)


def _walk(kernel: FakeKernel, wish: Wanted, record: Record, *, limit: int = 10_000) -> tuple[Record, int]:
    """Observe, plan, write down and perform, until nothing is left or ``limit`` steps are done."""
    done = 0
    while True:
        record = plan.forget(record, wish, kernel.state)
        steps = plan.plan(wish, kernel.state, record)
        if not steps:
            return record, done
        record = plan.remember(record, steps)
        for step in steps:
            if done == limit:
                return record, done
            kernel.perform(step)
            done += 1
            assert done < 500, "it does not come to an end"


def _same(left: Observed, right: Observed) -> bool:
    return (left.links, set(left.addresses), left.settings, left.ports) == (
        right.links,
        set(right.addresses),
        right.settings,
        right.ports,
    )


@given(start=kernels(), wish=wanted())
def test_every_kernel_becomes_as_wanted(start: Observed, wish: Wanted) -> None:
    kernel = FakeKernel(start)
    _walk(kernel, wish, Record())
    state = kernel.state
    assert set(wish.vips) <= state.on(1)
    assert not plan.needs_silence(wish) or arp.quiet(state)
    for device in wish.devices:
        link = state.link_named(device.name)
        assert link is not None
        assert link.up
        assert plan.passes(state, link)
    assert wish.ports <= state.ports.keys()


@given(start=kernels(), wish=wanted(), stop=st.integers(0, 30), other=wanted())
def test_an_undo_leads_back_from_wherever_it_was_interrupted(
    start: Observed, wish: Wanted, stop: int, other: Wanted
) -> None:
    kernel = FakeKernel(start)
    record, _ = _walk(kernel, other, Record())
    record, _ = _walk(kernel, wish, record, limit=stop)
    record, _ = _walk(kernel, Wanted(), record)
    assert _same(kernel.state, start)
    assert record == Record()


@given(start=kernels(), wish=wanted(), other=wanted())
def test_nothing_is_taken_away_while_a_name_is_not_known(start: Observed, wish: Wanted, other: Wanted) -> None:
    kernel = FakeKernel(start)
    record, _ = _walk(kernel, other, Record())
    before = kernel.state
    devices = {(device.kind, device.local) for device in wish.devices}
    clashes = any(_end(device) in devices for device in other.devices if device not in wish.devices)
    _walk(kernel, replace(wish, tentative=True), record)
    assert before.on(1) <= kernel.state.on(1)
    assert clashes or {link.name for link in before.links.values()} <= {
        link.name for link in kernel.state.links.values()
    }


@given(start=kernels(), wish=wanted())
def test_an_address_never_comes_before_the_silence(start: Observed, wish: Wanted) -> None:
    kernel = FakeKernel(start)
    record = Record()
    for _ in range(10):
        steps = plan.plan(wish, kernel.state, record)
        record = plan.remember(record, steps)
        for step in steps:
            if isinstance(step, Put) and step.address.version == 4:
                assert arp.quiet(kernel.state)
            kernel.perform(step)


@given(start=kernels(), wish=wanted())
def test_the_silence_outlasts_the_address(start: Observed, wish: Wanted) -> None:
    kernel = FakeKernel(start)
    record, _ = _walk(kernel, wish, Record())
    for _ in range(10):
        for step in plan.plan(Wanted(), kernel.state, record):
            if isinstance(step, Restore):
                assert not any(item.protocol == MARK and item.address.version == 4 for item in kernel.state.addresses)
            kernel.perform(step)


def test_a_refused_silence_keeps_the_address_away(tmp_path: Path) -> None:
    """A container whose /proc/sys is read-only must not draw the clients to itself."""
    kernel = FakeKernel()
    kernel.refuses[Set] = errno.EROFS
    outcome = Reconciler(kernel, tmp_path).run(WEB)
    assert VIPS[0] not in kernel.state.on(1)
    assert VIPS[2] in kernel.state.on(1), "IPv6 needs no silence"
    assert all("cannot be written here" in reason for reason in outcome.refused.values())


@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        (Make, errno.EOPNOTSUPP, "load the module ipip"),
        (Make, errno.EEXIST, "another tunnel device has the end 10.0.0.11"),
        (Put, errno.EPERM, "CAP_NET_ADMIN"),
        (Open, errno.EOPNOTSUPP, "load the module fou"),
        (Open, errno.EADDRINUSE, "another program has UDP port 6080"),
    ],
)
def test_what_the_kernel_refuses_is_said_with_a_remedy(tmp_path: Path, step: type[Step], code: int, said: str) -> None:
    kernel = FakeKernel()
    kernel.refuses[step] = code
    outcome = Reconciler(kernel, tmp_path).run(replace(WEB, ports=frozenset({Port(4, 6080)})))
    assert any(said in reason for reason in outcome.refused.values())


def test_nothing_is_done_that_cannot_be_written_down(tmp_path: Path) -> None:
    kernel = FakeKernel()
    reconciler = Reconciler(kernel, tmp_path / "absent")
    with pytest.raises(PermanentError, match="cannot be written down"):
        reconciler.run(WEB)
    assert kernel.performed == []


def test_a_setting_that_somebody_else_has_changed_since_is_left(tmp_path: Path) -> None:
    kernel = FakeKernel()
    Reconciler(kernel, tmp_path).run(WEB)
    kernel.state = replace(kernel.state, settings={**kernel.state.settings, arp.setting("all", "arp_ignore"): "2"})
    outcome = Reconciler(kernel, tmp_path).run(Wanted())
    assert [step.setting for step in outcome.done if isinstance(step, Restore)] == [arp.setting("all", "arp_announce")]


def test_a_strict_reverse_path_filter_of_all_is_outdone_on_the_tunnel() -> None:
    kernel = FakeKernel(replace(BARE, settings={**BARE.settings, arp.setting("all", "rp_filter"): "1"}))
    _walk(kernel, WEB, Record())
    assert kernel.state.settings[arp.setting(DEVICES[0].name, "rp_filter")] == "2"


def test_names_of_devices_fit_into_an_interface_name() -> None:
    own: list[IPAddress] = [OWN, OWN6]
    assert all(len(Device(kind, local).name) <= 15 for kind in Kind for local in own)
