"""What a simulator's client reads and orders, in the words of its protocol, without a lab."""

import pytest

from vedette.lab import plug
from vedette.lab.plug import APC, Objects, RefusedError


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The states of a unit's plugs, which orders change; one that is not there is refused."""
    states = {"1": "on", "2": "off", "": "on"}

    def ask(path: str, device: str, name: str, to: str) -> str:
        if name not in states:
            raise RefusedError("no such plug")
        states[name] = states[name] if to == "status" else to
        return states[name]

    monkeypatch.setattr(plug, "ask", ask)
    return states


@pytest.mark.parametrize(
    ("tree", "status", "order", "on", "off"),
    [
        ("rpdu", f"{APC}.12.3.5.1.1.4.", f"{APC}.12.3.3.1.1.4.", (1, 1), (2, 2)),
        ("masterSwitch", f"{APC}.4.4.2.1.3.", f"{APC}.4.4.2.1.3.", (1, 1), (2, 2)),
        ("rpdu2", f"{APC}.26.9.2.3.1.5.", f"{APC}.26.9.2.4.1.5.", (2, 1), (1, 2)),
        ("ups", f"{APC}.1.12.1.2.1.3.", f"{APC}.1.12.3.2.1.3.", (1, 1), (2, 2)),
    ],
)
def test_each_tree_writes_states_and_reads_orders_in_its_own_way(
    tree: str, status: str, order: str, on: tuple[int, int], off: tuple[int, int], states: dict[str, str]
) -> None:
    unit = Objects("", "pdu", tree, ["1", "2"])
    assert (unit.get(f"{status}1"), unit.get(f"{status}2")) == (on[0], off[0])
    unit.set(f"{order}1", off[1])
    unit.set(f"{order}2", on[1])
    assert (states["1"], states["2"]) == ("off", "on")


@pytest.mark.parametrize("oid", [f"{APC}.12.3.5.1.1.4.9", f"{APC}.12.3.5.1.1.4.", f"{APC}.26.9.2.3.1.5.1", ".1.3"])
def test_an_object_that_is_not_there_has_no_value_and_takes_no_order(oid: str, states: dict[str, str]) -> None:
    unit = Objects("", "pdu", "rpdu", ["1", "2"])
    assert unit.get(oid) is None
    with pytest.raises(RefusedError):
        unit.set(oid, 2)
    assert states == {"1": "on", "2": "off", "": "on"}


def test_an_order_of_another_kind_is_refused(states: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        Objects("", "pdu", "rpdu", ["1"]).set(f"{APC}.12.3.3.1.1.4.1", 3)  # immediateReboot
    assert states["1"] == "on"


def test_a_walk_meets_every_outlet_in_order() -> None:
    unit, met = Objects("", "pdu", "masterSwitch", ["10", "2", "1"]), list[str]()
    found = unit.after(APC)
    while found is not None:
        met.append(found.rpartition(".")[2])
        found = unit.after(found)
    assert met == ["1", "2", "10"]


def test_racadm_switches_the_server_and_knows_nothing_else(
    states: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert plug.racadm("", "drac", ["racadm", "serveraction", "powerdown"], [""]) == 0
    assert states[""] == "off"
    assert plug.racadm("", "drac", ["serveraction", "powerstatus"], [""]) == 0
    assert "power status: OFF" in capsys.readouterr().out
    for words in (["serveraction", "hardreset"], ["sh"], ["serveraction", "powerup", "-m", "server-9"]):
        assert plug.racadm("", "drac", words, [""]) == 1
    assert states[""] == "off"
