"""Documents for the drills of edits."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from vedette.kit.errors import UsageError
from vedette.lab.drills import documents
from vedette.spec import load
from vedette.spec.load import Secrets

EXAMPLES = Path(__file__).parents[2] / "examples"

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: web}
spec:
  serverPools:
    - name: app
      realServers:
        - {address: 10.0.0.10, maintenance: true}
        - {address: 10.0.0.11-10.0.0.13, weight: 5}
  virtualServices:
    - {ports: [80, 53/udp], serverPool: app}
"""


def servers(text: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(text)["spec"]["serverPools"][0]["realServers"]
    return found


def test_one_server_of_a_range_gets_another_weight_and_the_others_keep_theirs() -> None:
    changed = documents.reweigh(DOCUMENT)
    assert changed is not None
    assert (changed.server, changed.weight) == (ip_address("10.0.0.11"), 6)
    assert servers(changed.text)[1:] == [
        {"address": "10.0.0.11", "weight": 6},
        {"address": "10.0.0.12-10.0.0.13", "weight": 5},
    ]


def test_the_changed_document_means_the_same_otherwise() -> None:
    changed = documents.reweigh(DOCUMENT)
    assert changed is not None
    before, after = documents.values(DOCUMENT), documents.values(changed.text)
    assert before["spec"]["virtualServices"] == after["spec"]["virtualServices"]
    assert servers(changed.text)[0] == {"address": "10.0.0.10", "maintenance": True}


@pytest.mark.parametrize(
    ("written", "first", "rest"),
    [
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1-10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1-10.0.0.1", "10.0.0.1", None),
        ("2001:db8::1-2001:db8::9", "2001:db8::1", "2001:db8::2-2001:db8::9"),
    ],
)
def test_a_range_is_split_behind_its_first_address(written: str, first: str, rest: str | None) -> None:
    changed = documents.reweigh(DOCUMENT.replace("10.0.0.11-10.0.0.13", written.join('""')))
    assert changed is not None
    assert [server["address"] for server in servers(changed.text)[1:]] == ([first, rest] if rest else [first])


def test_a_document_without_a_usable_server_cannot_be_reweighed() -> None:
    assert documents.reweigh(DOCUMENT.replace("10.0.0.11-10.0.0.13, weight: 5", "10.0.0.11, weight: 0")) is None


def test_the_torn_document_cannot_be_read() -> None:
    with pytest.raises(UsageError):
        documents.values(documents.broken_syntax(DOCUMENT))


def test_the_senseless_document_can_be_read() -> None:
    assert "virtualRouters" in documents.values(documents.broken_sense(DOCUMENT))["spec"]


def test_another_dead_after_is_all_that_changes() -> None:
    changed = json.loads(documents.with_dead_after(DOCUMENT, 2_000_000_000))
    assert changed["spec"].pop("heartbeat") == {"deadAfter": "2000ms"}
    assert changed == documents.values(DOCUMENT)


def test_a_document_for_one_node_names_no_other() -> None:
    """It must be one that the daemon takes."""
    text = documents.with_one((EXAMPLES / "two-routers-fence" / "cluster.yaml").read_text(), "router2")
    report = load.check_text(text, name="t.yaml", directory=EXAMPLES / "two-routers-fence", secrets=Secrets.IGNORED)
    assert report.spec is not None, report.problems
    assert report.spec.voters == ("router2",)
