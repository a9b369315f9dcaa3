"""An address that goes to another group is left alone while a node may hold the former one by an older document."""

import json
from collections.abc import Sequence
from ipaddress import ip_address

from tests.addresses.groups import group

from vedette.addresses.model import Vip
from vedette.addresses.moving import Moving
from vedette.spec.resolved import Group

A, B = "10.77.0.100/24", "10.77.0.101/24"
VIP = Vip(ip_address("10.77.0.100"), "web")


ALL = frozenset({"router1", "router2", "router3"})


def edited(*documents: Sequence[Group]) -> Moving:
    moving = Moving()
    for document in documents:
        moving.note(document)
    return moving


def attend(moving: Moving, *, behind: Sequence[str] = (), same: Sequence[str] = ()) -> bool:
    return moving.attend(behind=frozenset(behind), same=frozenset(same), present=ALL)


def test_an_address_that_stays_in_its_group_waits_for_nobody() -> None:
    moving = edited([group("web", A)], [group("web", A, B), group("mail", "10.77.0.102/24")])
    assert moving.waits_for(VIP, ()) == ()
    assert moving.strict == frozenset()


def test_one_that_moves_waits_for_all_that_may_hold_its_former_group_before_anything_is_heard_of_them() -> None:
    moving = edited([group("default", A)], [group("web", A)])
    assert moving.waits_for(VIP, ()) == ("router1", "router2")


def test_it_waits_for_those_that_have_another_document_and_may_hold_the_former_group() -> None:
    moving = edited([group("default", A)], [group("web", A)])
    attend(moving, behind=("router2", "router3"), same=("router1",))
    assert moving.waits_for(VIP, ()) == ("router2",)
    assert attend(moving, behind=("router3",), same=("router1", "router2"))
    assert moving.waits_for(VIP, ()) == ()
    assert moving.strict == frozenset()


def test_a_node_that_is_not_heard_is_not_waited_for_and_is_when_it_is_heard_with_the_former_document() -> None:
    moving = edited([group("default", A)], [group("web", A)])
    attend(moving, same=("router1",))
    assert moving.waits_for(VIP, ()) == ()
    assert moving.strict == {VIP.address}
    assert attend(moving, behind=("router2",), same=("router1",))
    assert moving.waits_for(VIP, ()) == ("router2",)


def test_a_node_that_is_gone_from_the_cluster_is_forgotten() -> None:
    moving = edited([group("default", A, nodes=("router9",))], [group("web", A)])
    attend(moving)
    assert moving.strict == frozenset()


def test_two_moves_in_a_row_wait_for_the_nodes_of_both_groups() -> None:
    first, second = group("a", A, nodes=("router2",)), group("b", A, nodes=("router3",))
    moving = edited([first], [second], [group("web", A)])
    assert moving.waits_for(VIP, ()) == ("router2", "router3")


def test_there_and_back_again_waits_for_all_that_ever_could_hold_it() -> None:
    first, again = group("web", A, nodes=("router2",)), group("web", A, nodes=("router3",))
    moving = edited([first], [group("mail", A, nodes=("router1",))], [again], [group("mail", A)])
    attend(moving, behind=tuple(ALL))
    assert moving.waits_for(Vip(VIP.address, "mail"), ()) == ("router2", "router3")


def test_an_address_that_leaves_and_comes_back_in_another_group_has_moved() -> None:
    moving = edited([group("default", A, B)], [group("default", B)], [group("default", B), group("web", A)])
    attend(moving, behind=("router2",), same=("router1",))
    assert moving.waits_for(VIP, ()) == ("router2",)


def test_the_next_daemon_goes_on_where_this_one_stopped() -> None:
    moving, following = edited([group("default", A)]), Moving()
    following.recall(json.loads(json.dumps(moving.plain())))
    following.note([group("web", A)])
    assert following.waits_for(VIP, ()) == ("router1", "router2")
    third = Moving()
    third.recall(json.loads(json.dumps(following.plain())))
    third.note([group("web", A)])
    attend(third, behind=("router2",))
    assert third.waits_for(VIP, ()) == ("router2",)


def test_the_first_document_moves_nothing() -> None:
    assert edited([group("web", A)]).waits_for(VIP, ()) == ()


def test_who_holds_the_former_group_itself_waits_for_nobody() -> None:
    moving = edited([group("mail", B), group("web", A)], [group("mail", A, B), group("web")])
    mail = Vip(VIP.address, "mail")
    assert moving.waits_for(mail, {"mail", "web"}) == ()
    assert moving.waits_for(mail, {"mail"}) == ("router1", "router2")
