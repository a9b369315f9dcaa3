"""The digest: the same whether or not pieces of the text were kept."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.spec import canonical
from vedette.spec.canonical import Canonical

_SCALARS = st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none())
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner))
_SERVERS = st.dictionaries(st.sampled_from(("address", "weight", "é")), _SCALARS)
_HOLDERS = st.one_of(
    _VALUES,
    st.fixed_dictionaries({"realServers": st.lists(_SERVERS, max_size=9)}, optional={"ports": _VALUES, "zz": _VALUES}),
)
_SPECS = st.dictionaries(
    st.sampled_from(("nodes", "virtualServices", "serverPools")), st.one_of(_VALUES, st.lists(_HOLDERS, max_size=3))
)


def _plain(root: dict[str, Any]) -> str:
    metadata = root.get("metadata")
    named = {"name": metadata.get("name") if isinstance(metadata, dict) else None, "spec": root.get("spec")}
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@pytest.fixture(autouse=True, scope="module")
def short_pieces() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "PIECE", 2)
        yield


@given(spec=st.one_of(_SPECS, _VALUES), metadata=st.one_of(_VALUES, st.fixed_dictionaries({"name": _SCALARS})))
def test_the_digest_is_that_of_the_text_in_one_piece(spec: Any, metadata: Any) -> None:
    root = {"metadata": metadata, "spec": spec, "kind": "x"}
    known = Canonical()
    assert known.digest(root) == known.digest(root) == _plain(root)


@given(
    lists=st.lists(st.lists(_SERVERS, min_size=1, max_size=9), min_size=1, max_size=3),
    edits=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8), _SERVERS), max_size=5),
)
def test_an_edit_is_seen_in_the_digest(lists: list[list[Any]], edits: list[tuple[int, int, Any]]) -> None:
    root: dict[str, Any] = {"spec": {"virtualServices": [{"realServers": items} for items in lists]}}
    known = Canonical()
    known.digest(root)
    for number, index, item in edits:
        number, index = number % len(lists), index % len(lists[number % len(lists)])
        lists[number][index] = item
        known.forget(("spec", "virtualServices", number, "realServers"), index)
        assert known.digest(root) == _plain(root)
