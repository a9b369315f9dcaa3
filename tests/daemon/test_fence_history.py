"""What the daemon answers to `vedette fence history`."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.test_fencing import SPEC

from vedette.daemon.answers import Answers
from vedette.fencing.history import History
from vedette.kit.errors import UsageError
from vedette.spec.resolved import ClusterSpec


@dataclass
class Document:
    """What of the documents' versions is asked for here."""

    spec: ClusterSpec | None


def history(folder: Path, node: str | None, spec: ClusterSpec | None = SPEC) -> list[dict[str, Any]]:
    none: Any = None
    document: Any = Document(spec)
    answers = Answers(
        path=folder, node="a", state_dir=folder, keeper=none, versions=document, sync=none, balancing=none
    )
    reply = asyncio.run(answers.answer({"verb": "fence", "what": "history", "node": node}))
    entries: list[dict[str, Any]] = reply["entries"]
    return entries


def test_a_node_is_asked_for_by_name(tmp_path: Path) -> None:
    for node in ("b", "gone"):
        History(tmp_path).add({"node": node, "result": "off"})
    assert [entry["node"] for entry in history(tmp_path, None)] == ["b", "gone"]
    assert [entry["node"] for entry in history(tmp_path, "b")] == ["b"]
    assert [entry["node"] for entry in history(tmp_path, "gone")] == ["gone"]
    assert history(tmp_path, "a") == []


@pytest.mark.parametrize("spec", [SPEC, None])
def test_a_name_that_nobody_has_is_refused(tmp_path: Path, spec: ClusterSpec | None) -> None:
    """Or a slip would read as if the node had never been switched off."""
    History(tmp_path).add({"node": "b", "result": "off"})
    with pytest.raises(UsageError, match=r"no node ruoter2 .*\bb\b"):
        history(tmp_path, "ruoter2", spec)
