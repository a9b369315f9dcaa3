"""Places are those of the text, also behind items that were left out."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.spec import reader
from vedette.spec.findings import Findings
from vedette.spec.tree import Spot, Tree, line_of, mark, show, spot_of


def read(text: str) -> Tree:
    findings = Findings("t.yaml", Tree())
    reader.read(text, findings)
    return findings.tree


counts = st.integers(1, reader.LARGEST - 1)


@given(spot=st.builds(Spot, counts, counts, counts, counts))
def test_a_mark_stands_for_its_spot_as_far_as_a_document_goes(spot: Spot) -> None:
    assert spot_of(mark(*spot)) == spot
    assert line_of(mark(*spot)) == spot.line


TEXT = "a:\n  - x: 1\n  - y: 2\n  - z: 3\nb: {c: 4}\n"


def test_a_place_is_that_of_the_value_and_of_its_key() -> None:
    tree = read(TEXT)
    assert (tree.spot(("a", 1, "y")).line, tree.spot(("a", 1, "y")).column) == (3, 8)
    assert (tree.spot(("a", 1, "y")).key_line, tree.spot(("a", 1, "y")).key_column) == (3, 5)
    assert tree.spot(("b", "c")).line == 5


def test_what_is_missing_has_the_place_of_what_would_hold_it() -> None:
    tree = read(TEXT)
    assert tree.spot(("a", 2, "nothing")) == tree.spot(("a", 2))


def test_items_keep_the_index_that_they_have_in_the_text() -> None:
    tree = read(TEXT)
    tree.drop(("a", 0))
    assert tree.root["a"] == [{"y": 2}, {"z": 3}]
    assert tree.original(("a", 1, "z")) == ("a", 2, "z")
    assert tree.spot(tree.original(("a", 1, "z"))).line == 4
    tree.drop(("a", 2))
    tree.drop(("a", 2))
    assert tree.root["a"] == [{"y": 2}]
    assert tree.original(("a", 0)) == ("a", 1)


def test_a_stand_in_takes_the_place_of_what_was_wrong() -> None:
    tree = read(TEXT)
    tree.put(("b", "c"), 5)
    tree.put(("a", 1), {"new": 1})
    tree.put(("nowhere", "c"), 5)
    assert tree.root == {"a": [{"x": 1}, {"new": 1}, {"z": 3}], "b": {"c": 5}}


def test_a_path_is_printed_as_people_write_it() -> None:
    assert (
        show(("spec", "virtualServices", 3, "realServers", 0, "port")) == "spec.virtualServices[3].realServers[0].port"
    )
    assert show(("labels", "a b")) == 'labels["a b"]'
    assert show(()) == ""
