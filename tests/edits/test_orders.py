"""An order to drain a server goes by its name: a plan says when an edit ends one without a word."""

from pathlib import Path

import pytest
from tests.edits.editing import BASE, read

from vedette.edits.change import Change, Live
from vedette.edits.compare import compare, live_of


def about_orders(folder: Path, old: str, new: str, *drained: str) -> list[Change]:
    before, after = read(BASE.read_text(), folder), read(BASE.read_text().replace(old, new), folder)
    assert before != after or old == new
    found = compare(before, after, Live(drained=frozenset(drained)))
    return [change for change in found if "the order to drain it" in change.action]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("name: shop", "name: store", "store 10.0.0.12"),
        ("{address: 10.0.0.12, weight: 1}", "{address: 10.0.0.12, weight: 1, port: 80}", "shop 10.0.0.12:80"),
    ],
)
def test_a_name_that_changes_ends_an_order_and_is_told(tmp_path: Path, old: str, new: str, name: str) -> None:
    (change,) = about_orders(tmp_path, old, new, "shop 10.0.0.12")
    assert change.subject == "real server shop 10.0.0.12"
    assert change.action == f"it is called {name} from now on, and the order to drain it no longer means it"
    assert about_orders(tmp_path, old, new, "shop 10.0.0.99") == []


def test_an_order_that_goes_on_or_whose_server_goes_is_not_told(tmp_path: Path) -> None:
    assert about_orders(tmp_path, "weight: 2}", "weight: 3}", "shop 10.0.0.12") == []
    assert about_orders(tmp_path, "        - {address: 10.0.0.12, weight: 1}\n", "", "shop 10.0.0.12") == []
    rested = "{address: 10.0.0.12, weight: 1, port: 80, maintenance: true}"
    assert about_orders(tmp_path, "{address: 10.0.0.12, weight: 1}", rested, "shop 10.0.0.12") == []


def test_orders_are_known_from_the_status() -> None:
    orders = [{"order": "server drain", "about": "shop 10.0.0.12"}, {"order": "standby", "about": "router1"}]
    found = live_of({"virtualServices": [], "groups": [], "nodes": [], "orders": orders})
    assert found.drained == {"shop 10.0.0.12"}
