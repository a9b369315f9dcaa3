"""What a person reads: problems first, and the kernel's table beside what the checks say."""

from datetime import UTC, datetime
from typing import Any

from vedette.cli.output import Paint
from vedette.cli.status import render

NOW = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
THEN = "2026-11-22T12:00:00.000Z"


def _status(**changes: Any) -> dict[str, Any]:
    destination = {"address": "10.0.0.11", "port": 80, "role": "real", "weight": 0}
    return {
        "cluster": "edge",
        "node": "router1",
        "problems": [],
        "quorum": True,
        "spec": {"file": "/etc/vedette/cluster.yaml", "revision": 3, "digest": "ab" * 32, "appliedAt": THEN},
        "nodes": [
            {
                "name": "router1",
                "role": "director",
                "self": True,
                "state": "up",
                "since": THEN,
                "ready": True,
                "holds": ["web"],
                "links": ["lan"],
                "sameDocument": True,
                "digest": "ab",
            }
        ],
        "groups": [
            {
                "name": "web",
                "holder": "router1",
                "until": "2026-11-22T12:00:11.500Z",
                "reason": "preferred node",
                "addresses": [
                    {"address": "203.0.113.80", "interface": "eth1", "answering": True, "problem": ""},
                ],
            }
        ],
        "virtualServices": [
            {
                "name": "www",
                "group": "web",
                "scheduler": "wlc",
                "settings": ["wlc", "masquerade"],
                "forwarding": "masquerade",
                "realServers": [
                    {
                        "address": "10.0.0.11",
                        "port": 80,
                        "weight": 5,
                        "maintenance": False,
                        "health": "down",
                        "since": THEN,
                        "reason": "status 500, expected 200-299",
                    }
                ],
                "kernel": [
                    {
                        "endpoint": "tcp 203.0.113.80:80",
                        "present": True,
                        "destinations": [destination | {"activeConnections": 2, "inactiveConnections": 1}],
                    }
                ],
            }
        ],
    } | changes


def _text(**changes: Any) -> str:
    return render(_status(**changes), Paint(enabled=False), NOW)


def test_problems_stand_before_everything_that_works() -> None:
    text = _text(problems=[{"scope": "node router2", "message": "is silent"}])
    assert text.index("node router2: is silent") < text.index("NODE")


def test_without_problems_it_says_so() -> None:
    assert "No problems" in _text()


def test_it_says_how_long_the_lease_lasts() -> None:
    assert "1.5s left" in _text()


def test_a_weight_that_differs_from_the_documents_shows_both() -> None:
    line = next(line for line in _text().splitlines() if "10.0.0.11:80" in line)
    assert " ".join(line.split()) == "10.0.0.11:80 down 10s ago 0 (of 5) 2+1 status 500, expected 200-299"


def test_a_service_that_the_kernel_does_not_have_stands_out() -> None:
    service = _status()["virtualServices"][0]
    service["kernel"] = [{"endpoint": "tcp 203.0.113.80:80", "present": False, "destinations": []}]
    text = _text(virtualServices=[service])
    assert "not in the kernel's table" in text
    assert "out (of 5)" in text


def test_a_service_that_has_left_the_document_is_shown_as_long_as_it_drains() -> None:
    assert "LEAVING" not in _text()
    phase = {"state": "draining", "since": THEN, "until": "2026-11-22T12:01:00.000Z", "connectionsLeft": 4}
    item = {"name": "old", "endpoint": "tcp 203.0.113.80:81", "address": "10.0.0.11", "port": 81, "phase": phase}
    lines = _text(leaving=[item | {"activeConnections": 3, "inactiveConnections": 1}]).splitlines()
    (line,) = (" ".join(line.split()) for line in lines if line.startswith("old"))
    assert line == "old: tcp 203.0.113.80:81 10.0.0.11:81 3+1 drains: 4 connections left, 50s at most"


def test_a_witness_is_not_called_unready_for_not_holding_anything() -> None:
    witness = _status()["nodes"][0] | {"name": "witness", "role": "witness", "self": False, "ready": False}
    line = next(line for line in _text(nodes=[witness]).splitlines() if line.startswith("witness"))
    assert "votes" in line


def test_the_watchdog_is_shown_where_there_is_one_with_what_it_does_now() -> None:
    assert "watchdog" not in _text().lower()
    watchdog = {
        "device": "/dev/watchdog0",
        "identity": "iTCO_wdt",
        "state": "armed",
        "armed": True,
        "timeout": 10.0,
        "nowayout": True,
    }
    nodes = [node | {"watchdog": 10.0} for node in _status()["nodes"]]
    text = _text(watchdog=watchdog, nodes=nodes)
    assert "watchdog /dev/watchdog0 (iTCO_wdt): armed, resets this machine when its daemon is late for 10s" in text
    assert "WATCHDOG" in text
    assert "cannot be stopped" in _text(watchdog=watchdog | {"state": "idle", "armed": False})
    assert "not armed\n" in _text(watchdog=watchdog | {"state": "off", "nowayout": None}) + "\n"


def test_orders_that_stand_are_listed_with_their_reason_and_their_end() -> None:
    order = {"order": "move", "about": "web", "to": "router2", "author": "ann", "reason": "new kernel"}
    text = _text(orders=[order | {"until": "2026-11-22T13:59:10.000Z"}, order | {"to": None, "until": None}])
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "move web to router2 in 1h59m ann new kernel" in lines
    assert "move web when taken back ann new kernel" in lines


def test_connections_in_step_are_shown_where_the_document_wants_them() -> None:
    assert "connection sync" not in _text()
    daemons = [
        {"role": role, "interface": "eth2", "group": "224.0.0.81", "port": 8848, "id": 1}
        for role in ("master", "backup")
    ]
    lesson = {"node": "router2", "connections": 120, "datagrams": 4, "milliseconds": 7, "here": 119, "at": THEN}
    sync = {"daemons": daemons, "learnt": True, "learntFrom": [lesson], "lastDump": None, "youngSent": 3}
    text = _text(connectionSync=sync)
    assert "connection sync on eth2, group 224.0.0.81:8848\n" in text
    assert "120 connections learnt from router2 10s ago, 119 here" in text
    assert "learning" in _text(connectionSync=sync | {"learnt": False})
    assert "connection sync off" in _text(connectionSync=sync | {"daemons": daemons[:1]})
    given = {"to": "router2", "at": THEN, "connections": 120, "datagrams": 4, "milliseconds": 7}
    assert "120 connections sent to router2 10s ago in 7 ms" in _text(connectionSync=sync | {"lastDump": given})
