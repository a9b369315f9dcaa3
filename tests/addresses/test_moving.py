"""An address that goes to another group is left alone while a node may hold the former one by an older document."""

from collections.abc import Sequence
from ipaddress import ip_address

from tests.addresses.groups import group

from vedette.addresses.model import Vip
from vedette.addresses.moving import Moving
from vedette.spec.resolved import Group

A, B = "10.77.0.100/24", "10.77.0.101/24"
VIP = Vip(ip_address("10.77.0.100"), "web")


def edited(*documents: Sequence[Group]) -> Moving:
    moving = Moving()
    for document in documents:
        moving.note(document)
    return moving


def test_an_address_that_stays_in_its_group_waits_for_nobody() -> None:
    moving = edited([group("web", A)], [group("web", A, B), group("mail", "10.77.0.102/24")])
    assert moving.waits_for(VIP, ()) == ()


def test_one_that_moves_waits_for_all_that_may_hold_its_former_group_before_anything_is_heard_of_them() -> None:
    moving = edited([group("default", A)], [group("web", A)])
    assert moving.waits_for(VIP, ()) == ("router1", "router2")


def test_it_waits_for_those_that_have_another_document_and_may_hold_the_former_group() -> None:
    moving = edited([group("default", A)], [group("web", A)])
    moving.attend(frozenset({"router2", "router3"}))
    assert moving.waits_for(VIP, ()) == ("router2",)
    assert moving.attend(frozenset({"router3"}))
    assert moving.waits_for(VIP, ()) == ()


def test_who_falls_behind_later_is_not_waited_for() -> None:
    """It is an edit of its own, and what moves by that one waits there."""
    moving = edited([group("default", A)], [group("web", A)])
    moving.attend(frozenset())
    assert not moving.attend(frozenset({"router2"}))
    assert moving.waits_for(VIP, ()) == ()


def test_two_moves_in_a_row_wait_for_the_nodes_of_both_groups() -> None:
    first, second = group("a", A, nodes=("router2",)), group("b", A, nodes=("router3",))
    moving = edited([first], [second], [group("web", A)])
    assert moving.waits_for(VIP, ()) == ("router2", "router3")


def test_the_first_document_moves_nothing() -> None:
    assert edited([group("web", A)]).waits_for(VIP, ()) == ()


def test_who_holds_the_former_group_itself_waits_for_nobody() -> None:
    moving = edited([group("mail", B), group("web", A)], [group("mail", A, B), group("web")])
    mail = Vip(VIP.address, "mail")
    assert moving.waits_for(mail, {"mail", "web"}) == ()
    assert moving.waits_for(mail, {"mail"}) == ("router1", "router2")
