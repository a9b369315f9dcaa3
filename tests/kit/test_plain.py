"""What crosses the pipes between processes arrives as it left, and nothing else arrives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import NewType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.kit import plain
from vedette.kit.net import IPAddress

Round = NewType("Round", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Circle:
    radius: float


@dataclass(frozen=True, slots=True)
class Square:
    side: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """One field of each supported form."""

    name: str
    colour: Colour
    shapes: tuple[Circle | Square, ...]
    at: IPAddress
    secret: bytes = field(repr=False)
    round: Round = Round(0)
    size: tuple[int, int] = (1, 1)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    frame: Square | None = None
    finished: bool = False


_addresses = st.ip_addresses()
_shapes = st.one_of(
    st.builds(Circle, radius=st.floats(allow_nan=False, allow_infinity=False)), st.builds(Square, side=st.integers())
)
_drawings = st.builds(
    Drawing,
    name=st.text(),
    colour=st.sampled_from(Colour),
    shapes=st.lists(_shapes, max_size=4).map(tuple),
    at=_addresses,
    secret=st.binary(max_size=32),
    round=st.integers().map(Round),
    size=st.tuples(st.integers(), st.integers()),
    labels=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
    tags=st.frozensets(st.text(max_size=4), max_size=3),
    frame=st.none() | st.builds(Square, side=st.integers()),
    finished=st.booleans(),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(_drawings)
def test_a_value_survives_the_way_through_json(drawing: Drawing) -> None:
    assert plain.load(Drawing, json.loads(json.dumps(plain.dump(drawing)))) == drawing


@settings(max_examples=100)
@given(st.data())
def test_a_mutated_form_is_a_value_or_a_value_error(data: st.DataObject) -> None:
    form = plain.dump(data.draw(_drawings))
    form[data.draw(st.sampled_from([*sorted(form), "unknown"]))] = data.draw(_json)
    try:
        assert isinstance(plain.load(Drawing, form), Drawing)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("wanted", "data"),
    [
        (int, "1"),
        (int, True),
        (int, 1.0),
        (str, 1),
        (str, None),
        (bool, 1),
        (float, "1"),
        (bytes, "xyz"),
        (Colour, "green"),
        (IPv4Address, "10.0.0.300"),
        (Square, {"kind": "Square"}),
        (Square, {"kind": "Square", "side": 1, "colour": "red"}),
        (Square, ["side"]),
        (tuple[int, int], [1]),
        (tuple[int, ...], 3),
        (frozenset[str], [["list"]]),
        (Circle | Square, {"kind": "Triangle"}),
        (Circle | Square, {"radius": 1.0}),
    ],
)
def test_a_form_of_another_shape_is_refused(wanted: type, data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        plain.load(wanted, data)


def test_an_integer_serves_as_a_float() -> None:
    assert plain.load(Circle, {"kind": "Circle", "radius": 2}) == Circle(radius=2.0)


def test_ipv6_addresses_keep_their_family() -> None:
    assert plain.load(IPv6Address, plain.dump(IPv6Address("2001:db8::1"))) == IPv6Address("2001:db8::1")


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no plain form"):
        plain.dump({"file": object()})
