"""A plan that says nothing means that nothing changes, and none tells a secret."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import reduce
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edits.editing import CASES, SECRETS, edited, read

from vedette.edits import fields as told_fields
from vedette.edits import services
from vedette.edits.change import Live
from vedette.edits.compare import compare
from vedette.edits.masking import masked
from vedette.spec.probes import ExecProbe
from vedette.spec.resolved import ApcUps, ClusterSpec, HealthCheck, HttpProbe, Key, RealServer, Secret, UdpProbe

SILENT = {
    ("digest",),
    ("description",),
    ("secret",),
    ("text",),
    ("persistence_engine",),
    ("one_packet",),
    ("origin",),
    ("path",),
}
"""Last parts of paths that mean nothing for clients, that masking has put in the place of secrets, or that mean
something for UDP only."""
SPEC_FILES = ("fencing-and-watchdog", "ping-nodes", "ipvs-timeouts", "service-appears-without-checks", "persistence")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ClusterSpec:
    """A document in which much is said."""
    folder = tmp_path_factory.mktemp("edits")
    found = [read(edited(CASES / f"{name}.edit"), folder) for name in SPEC_FILES]
    first = found[0]
    return replace(
        first,
        ping_nodes=found[1].ping_nodes,
        ipvs_timeouts=found[2].ipvs_timeouts,
        virtual_services=(*found[3].virtual_services[:2], found[4].virtual_services[-1]),
    )


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if is_dataclass(value):
        for item in fields(value):
            yield from _leaves(getattr(value, item.name), (*path, item.name))
    elif isinstance(value, tuple) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, (*path, number))
    elif not isinstance(value, Mapping):
        yield path


def _get(value: Any, path: tuple[str | int, ...]) -> Any:
    return reduce(lambda at, step: at[step] if isinstance(step, int) else getattr(at, step), path, value)


def _put(value: Any, path: tuple[str | int, ...], leaf: object) -> Any:
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return tuple(_put(item, rest, leaf) if number == step else item for number, item in enumerate(value))
    return replace(value, **{step: _put(getattr(value, step), rest, leaf)})


def _other(value: object) -> object:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case Enum():
            return next((item for item in type(value) if item is not value), value)
        case int():
            return value + 1_000_000_000 if value > 70000 else value + 1
        case str():
            return value + "x"
        case IPv4Address() | IPv6Address():
            return value + 1
        case tuple():
            return ("something",)
        case _:
            return None


def test_every_detail_of_a_document_is_told_when_it_changes(spec: ClusterSpec) -> None:
    silent, told_of = [], 0
    for path in _leaves(spec):
        value = _get(spec, path)
        other = _other(value)
        if path[-1:] in SILENT or other is None or other == value or path[0] == "keys":
            continue
        try:
            changed = _put(spec, path, other)
            told = compare(spec, changed)
        except (KeyError, TypeError, ValueError, AttributeError):  # no document can be so: a name that nobody has
            continue
        told_of += 1
        if not told:
            silent.append(".".join(map(str, path)))
    assert silent == []
    assert told_of > 80


def test_a_document_is_like_itself(spec: ClusterSpec) -> None:
    assert compare(spec, spec) == ()


def test_a_secret_that_changes_is_told_without_being_shown(spec: ClusterSpec) -> None:
    (device,) = spec.fencing_devices
    assert isinstance(device.driver, ApcUps)
    plain = replace(device, driver=ApcUps(replace(device.driver.snmp, community=Secret("tuna"))))
    told = compare(masked(spec, b"1"), masked(replace(spec, fencing_devices=(plain,)), b"1"))
    assert [change.subject for change in told] == ["fencing device ups"]
    assert "changes" in told[0].action
    assert "tuna" not in repr(told)


def test_masking_leaves_no_secret(spec: ClusterSpec) -> None:
    hidden = masked(replace(spec, keys=(Key("ab", b"swordfish"),)), b"nonce")
    assert hidden.keys == (Key("ab", b""),)
    (device,) = hidden.fencing_devices
    assert isinstance(device.driver, ApcUps)
    assert device.driver.snmp.community is not None
    assert SECRETS["community"] not in device.driver.snmp.community.text
    assert masked(spec, b"1") != masked(spec, b"2")
    assert masked(spec, b"1") == masked(spec, b"1")


def test_what_a_check_sends_or_runs_is_told_without_being_shown() -> None:
    """Tokens stand there, since a document has no other place for them."""

    def checks(token: str) -> tuple[HealthCheck, ...]:
        http = HttpProbe(f"/h?token={token}", "POST", token, headers=(("Authorization", f"Bearer {token}"),))
        program = ExecProbe(("/bin/check", token), environment=(("PASSWORD", token),))
        return tuple(HealthCheck(probe, 1, 1, 1, 1) for probe in (http, UdpProbe(token.encode()), program))

    told = [
        line for old, new in zip(checks("salmon"), checks("tunny"), strict=True) for line in told_fields.told(old, new)
    ]
    assert len(told) == 6
    assert not any(
        token in repr((told, told_fields.shown("checks", checks("salmon")))) for token in ("salmon", "tunny")
    )


@st.composite
def real_servers(draw: st.DrawFn) -> tuple[RealServer, ...]:
    ends = draw(st.lists(st.integers(11, 15), unique=True, max_size=4))
    return tuple(
        RealServer(IPv4Address(f"10.0.0.{end}"), weight=draw(st.integers(0, 2)), maintenance=draw(st.booleans()))
        for end in ends
    )


@st.composite
def documents(draw: st.DrawFn, base: ClusterSpec) -> ClusterSpec:
    """The services of a document, in any of a few shapes."""
    found = []
    for virtual in base.virtual_services:
        if draw(st.booleans()):
            continue
        changed = replace(
            virtual,
            endpoints=tuple(draw(st.lists(st.sampled_from(virtual.endpoints), min_size=1, unique=True))),
            real_servers=draw(real_servers()),
            scheduler=draw(st.sampled_from(["wlc", "mh", "rr"])),
            persistence_timeout=draw(st.sampled_from([0, 60_000_000_000])),
            maintenance=draw(st.booleans()),
            sorry=draw(st.sampled_from([None, virtual.sorry])),
            checks=draw(st.sampled_from([(), virtual.checks])),
        )
        found.append(changed)
    return replace(base, virtual_services=tuple(found))


@given(data=st.data())
def test_the_table_is_spoken_of_exactly_when_it_is_touched(spec: ClusterSpec, data: st.DataObject) -> None:
    old, new = data.draw(documents(spec)), data.draw(documents(spec))
    told = services.Tables(old, new, Live()).changes()
    assert bool(told) == bool(services.actions(old, new))
    assert all("<" not in change.action + change.consequence for change in told)
