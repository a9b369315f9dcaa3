"""What a plug is believed to be, from what it read while its node lived, was silent, or had just died."""

from vedette.fencing import plugs
from vedette.fencing.answers import Answer, Said
from vedette.fencing.plugs import Reading
from vedette.kit.net import parse
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ApcPdu,
    Fencing,
    FencingDevice,
    FencingUse,
    Ipmi,
    Manual,
    Node,
    Role,
    Secret,
    Snmp,
)

DEAD_AFTER = 3 * SECOND


def read(*answers: tuple[int, Said, int | None]) -> Reading:
    """A reading after (second, answer, second since which the node lives or None)."""
    reading = Reading()
    for at, said, alive in answers:
        since = None if alive is None else alive * SECOND
        reading = reading.take(Answer(said, at * SECOND, "detail"), alive_since=since, dead_after=DEAD_AFTER)
    return reading


def test_a_plug_that_reads_on_while_its_node_lives_is_trusted() -> None:
    assert read((10, Said.ON, 1)).trusted


def test_one_that_reads_on_while_its_node_is_silent_is_not_yet() -> None:
    assert not read((10, Said.ON, None)).trusted


def test_one_that_reads_off_when_its_node_has_died_stays_trusted() -> None:
    assert read((10, Said.ON, 1), (70, Said.OFF, None)).trusted


def test_one_that_reads_off_just_before_its_node_is_missed_stays_trusted() -> None:
    """A node counts as living for deadAfter: its plug may well read off by then."""
    assert read((10, Said.ON, 1), (70, Said.OFF, 1), (75, Said.OFF, None)).trusted


def test_one_that_reads_off_while_its_node_goes_on_living_is_doubted_until_it_reads_on() -> None:
    doubted = read((10, Said.ON, 1), (70, Said.OFF, 1), (80, Said.OFF, 1))
    assert doubted.doubted
    assert not doubted.trusted
    assert "not believed" in plugs.alarm(doubted, alive=True)
    again = doubted.take(Answer(Said.ON, 90 * SECOND), alive_since=SECOND, dead_after=DEAD_AFTER)
    assert again.trusted


def test_an_earlier_life_of_the_node_is_no_reason_for_doubt() -> None:
    assert read((10, Said.ON, 1), (70, Said.OFF, 1), (90, Said.OFF, 89)).trusted


def test_an_error_changes_neither_trust_nor_what_was_read_last() -> None:
    reading = read((10, Said.ON, 1), (70, Said.FAILED, 1))
    assert reading.trusted
    assert (reading.power, reading.read) == ("on", 10 * SECOND)
    assert plugs.alarm(reading, alive=True) == "cannot be read: detail"


def test_a_look_that_gave_way_changes_nothing() -> None:
    assert read((10, Said.ON, 1)) == read((10, Said.ON, 1), (70, Said.YIELDED, 1))


def test_what_is_remembered_is_whether_to_believe_and_not_what_was_read() -> None:
    plug = plugs.Plug("b", "pdu", "4")
    kept = plugs.remembered({plug: read((10, Said.ON, 1)), plugs.Plug("a", "pdu", "3"): Reading()})
    assert list(kept) == [plug]
    assert kept[plug].trusted
    assert (kept[plug].power, kept[plug].read) == ("unknown", 0)


def _pdu(address: str, community: str = "private") -> FencingDevice:
    snmp = Snmp(address=parse(address), community=Secret(community))
    return FencingDevice(name="pdu", timeout=20 * SECOND, driver=ApcPdu(snmp))


def test_another_address_is_another_device_and_another_password_is_not() -> None:
    assert plugs.likeness(_pdu("10.9.0.20")) != plugs.likeness(_pdu("10.9.0.21"))
    assert plugs.likeness(_pdu("10.9.0.20", "public")) == plugs.likeness(_pdu("10.9.0.20"))


def test_a_person_has_no_plug_to_be_read() -> None:
    ipmi = Ipmi(address=parse("10.9.0.11"), username="u", password=Secret("p"))
    devices = (FencingDevice("bmc", SECOND, ipmi), FencingDevice("hand", SECOND, Manual()))
    fencing = Fencing(delay=0, levels=((FencingUse("bmc"),), (FencingUse("hand"),)))
    node = Node(name="a", role=Role.DIRECTOR, address=None, interfaces={}, fencing=fencing)
    assert [(plug.node, plug.device) for plug in plugs.plugs_of((node,), devices)] == [("a", "bmc")]
