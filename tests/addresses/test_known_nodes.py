"""What was heard of other nodes serves the next daemon of this boot."""

from pathlib import Path

import pytest

from vedette.addresses import known_nodes
from vedette.addresses.known_nodes import KnownNodes
from vedette.addresses.moving import Moving

A, B = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


def taken(path: Path) -> KnownNodes:
    nodes = KnownNodes(path)
    nodes.take({"a": frozenset({A}), "b": frozenset({B})}, moving=Moving())
    return nodes


def recalled(path: Path) -> frozenset[bytes]:
    nodes = KnownNodes(path)
    nodes.recall(Moving())
    return nodes.macs


def test_what_a_silent_node_has_said_stays(tmp_path: Path) -> None:
    nodes = taken(tmp_path / "known")
    nodes.take({"a": frozenset()}, moving=Moving())
    assert nodes.macs == {A, B}


def test_the_next_daemon_knows_it(tmp_path: Path) -> None:
    taken(tmp_path / "known")
    assert recalled(tmp_path / "known") == {A, B}


def test_what_is_of_another_boot_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken(tmp_path / "known")
    monkeypatch.setattr(known_nodes, "boot_id", lambda: "another")
    assert recalled(tmp_path / "known") == frozenset()


@pytest.mark.parametrize("text", ["", "[", "7", "{}", '{"boot": 7}', "\0"])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "known").write_text(text)
    assert recalled(tmp_path / "known") == frozenset()


def test_a_folder_that_is_not_there_costs_nothing_else(tmp_path: Path) -> None:
    assert taken(tmp_path / "absent" / "known").macs == {A, B}
