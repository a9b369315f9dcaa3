"""The two things that the domain keeps in files: the inventory and the kernel's settings."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from vedette.addresses import sysctls
from vedette.addresses.inventory import Inventory

SPOTS = frozenset({(ip_address("10.0.0.1"), "lan0"), (ip_address("fd00::1"), "lo")})


def test_an_inventory_is_read_back_by_the_next_daemon(tmp_path: Path) -> None:
    Inventory(tmp_path / "addresses.json").keep(SPOTS)
    assert Inventory(tmp_path / "addresses.json").spots == SPOTS


def test_an_inventory_of_another_boot_is_void(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    Inventory(path).keep(SPOTS)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"boot": "another"}))
    assert Inventory(path).spots == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', '{"boot": "x", "spots": [["10.0.0.300", "lo"]]}'])
def test_a_damaged_inventory_names_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(text)
    assert Inventory(path).spots == frozenset()


def test_an_unchanged_inventory_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    inventory = Inventory(path)
    inventory.keep(SPOTS)
    path.unlink()
    inventory.keep(set(SPOTS))
    assert not path.exists()


def test_settings_are_written_only_where_they_differ(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("1\n")
    (tmp_path / "other").write_text("0\n")
    assert sysctls.apply({"same": "1", "other": "2"}, root=tmp_path) == {}
    assert (tmp_path / "same").read_text() == "1\n"
    assert (tmp_path / "other").read_text() == "2"


def test_a_setting_that_cannot_be_read_is_reported_and_hinders_no_other(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("0\n")
    assert sysctls.apply({"absent": "1", "there": "1"}, root=tmp_path).keys() == {"absent"}
    assert (tmp_path / "there").read_text() == "1"


def test_ipv6_forwarding_is_wanted_only_with_ipv6_addresses() -> None:
    assert not sysctls.wanted(ipv6=False).keys() & sysctls.WITH_IPV6.keys()
    assert sysctls.WITH_IPV6.items() <= sysctls.wanted(ipv6=True).items()
