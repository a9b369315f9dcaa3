"""What a machine's own tools say about its kernel."""

from vedette.lab.drills.tables import Kernel, addresses, changed_entries, changes, counters, entries, reset_counters

SAVED = """\
-A -t 203.0.113.80:80 -s mh -b mh-fallback
-a -t 203.0.113.80:80 -r 10.0.0.11:80 -m -w 1
-a -t 203.0.113.80:80 -r 10.0.0.12:80 -m -w 1
-A -t [2001:db8::80]:80 -s wlc
"""
STATS = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  203.0.113.80:80                     5       40       30     4000     9000
  -> 10.0.0.11:80                        3       24       18     2400     5400
  -> 10.0.0.12:80                        2       16       12     1600     3600
"""
SERVICE = ("-t", "203.0.113.80:80")
FIRST = (*SERVICE, "10.0.0.11:80")


def test_the_saved_table_is_read_by_service_and_destination() -> None:
    found = entries(SAVED)
    assert found[SERVICE] == "-s mh -b mh-fallback"
    assert found[FIRST] == "-m -w 1"
    assert len(found) == 4


def test_counters_are_read_by_service_and_destination() -> None:
    found = counters(STATS)
    assert found["TCP", "203.0.113.80:80"] == (5, 40, 30, 4000, 9000)
    assert found["TCP", "203.0.113.80:80", "10.0.0.12:80"] == (2, 16, 12, 1600, 3600)


def test_addresses_that_the_kernel_makes_by_itself_are_left_out() -> None:
    text = """[{"ifname": "net", "addr_info": [
        {"local": "203.0.113.2", "scope": "global"}, {"local": "fe80::1", "scope": "link"}]}]"""
    assert addresses(text) == {("net", "203.0.113.2")}


def test_one_changed_weight_is_one_change() -> None:
    before, after = (
        Kernel(entries=entries(SAVED)),
        Kernel(entries=entries(SAVED.replace("11:80 -m -w 1", "11:80 -m -w 2"))),
    )
    assert changed_entries(before, after) == [FIRST]
    assert changes(before, after) == ["203.0.113.80:80 → 10.0.0.11:80: -m -w 1 became -m -w 2"]


def test_growing_counters_are_no_change_and_falling_ones_are() -> None:
    grown = STATS.replace(" 40 ", " 41 ")
    assert changes(Kernel(counters=counters(STATS)), Kernel(counters=counters(grown))) == []
    assert reset_counters(Kernel(counters=counters(grown)), Kernel(counters=counters(STATS))) == [
        "203.0.113.80:80: its counters were reset"
    ]


def test_addresses_that_came_and_went_are_named() -> None:
    before, after = Kernel(frozenset({("net", "10.0.0.1")})), Kernel(frozenset({("lo", "10.0.0.1")}))
    assert changes(before, after) == ["10.0.0.1 vanished from net", "10.0.0.1 appeared on lo"]
