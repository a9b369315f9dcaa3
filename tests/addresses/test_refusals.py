"""An address that the kernel refuses makes a node unfit for its group: not at once, and not for ever."""

from ipaddress import ip_address

from vedette.addresses.refusals import FIRST, MOST, TRIES, Refusals
from vedette.kit.units import SECOND

VIP, OTHER = ip_address("fd77::100"), ip_address("10.77.0.100")


def refused(times: int, refusals: Refusals | None = None, now: int = 0) -> Refusals:
    refusals = refusals or Refusals()
    for _ in range(times):
        refusals.note(refused=[VIP], put=[OTHER], now=now)
    return refusals


def test_one_refusal_is_no_inability() -> None:
    assert not refused(TRIES - 1).unable(VIP, 0)


def test_refusals_in_a_row_are_and_only_of_that_address() -> None:
    refusals = refused(TRIES)
    assert refusals.unable(VIP, 0)
    assert not refusals.unable(OTHER, 0)


def test_a_refusal_that_passes_leaves_nothing() -> None:
    refusals = refused(TRIES - 1)
    refusals.note(refused=[], put=[VIP], now=0)
    assert not refused(TRIES - 1, refusals).unable(VIP, 0)


def test_it_ends_by_itself_and_lasts_longer_each_time_up_to_an_hour() -> None:
    refusals, now, lasted = refused(TRIES), 0, [0]
    for _ in range(10):
        began = now
        while refusals.unable(VIP, now):
            now += SECOND
        lasted.append(now - began)
        refused(1, refusals, now)
    assert lasted[1] == FIRST
    assert lasted[1:] == sorted(lasted[1:])
    assert lasted[-1] == MOST


def test_an_address_that_is_there_again_makes_it_able_at_once() -> None:
    refusals = refused(TRIES)
    refusals.note(refused=[], put=[VIP], now=0)
    assert not refusals.unable(VIP, 0)
