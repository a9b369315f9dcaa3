"""Which document runs: what comes from another node is run as a whole, or not at all."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from vedette.daemon.incoming import Incoming
from vedette.daemon.keeper_link import KeeperLink
from vedette.daemon.versions import Versions
from vedette.kit.child import Parent
from vedette.sources.exchange import Received
from vedette.sources.parcel import Contents
from vedette.spec.resolved import ClusterSpec

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: web}
spec:
  specSync: true
  auth: {keys: [{secretFile: cluster.key}]}
  nodes:
    - {name: router1, address: 10.0.0.2}
    - {name: router2, address: 10.0.0.3}
    - {name: witness, address: 10.0.0.4, role: witness}
  groups:
    - addresses: [{address: 203.0.113.80/24, interface: eth0}]
  virtualServices:
    - {addresses: [203.0.113.80], ports: [80], realServersFile: servers}
"""
EDITED = DOCUMENT.replace("[80]", "[81]")


class Witness:
    """The documents of a witness, which runs nothing, beside a keeper that refuses what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.refusal = folder / "etc", ""
        self.offered: list[int] = []
        for name in ("etc", "state"):
            (folder / name).mkdir()
        self.path = self.folder / "cluster.yaml"
        (self.folder / "cluster.key").write_text("k" * 40)
        (self.folder / "cluster.key").chmod(0o600)
        self.save(DOCUMENT, "10.0.0.11\n")
        keeper = KeeperLink(cast(Parent, None), lambda: None)
        keeper.ask = self._answer  # type: ignore[method-assign]
        self.versions = Versions(
            path=self.path,
            node="witness",
            state_dir=folder / "state",
            keeper=keeper,
            apply=lambda _: None,
            leave_alone=lambda _: None,
            quiet=partial(asyncio.sleep, 0),
        )

    async def _answer(self, request: dict[str, Any], *, limit: float = 0) -> dict[str, Any]:
        self.offered.append(request["revision"])
        return {"error": self.refusal} if self.refusal else {}

    def save(self, text: str, servers: str) -> None:
        self.path.write_text(text)
        (self.folder / "servers").write_text(servers)

    async def follow(self) -> None:
        """Take what is in the file, as when it has changed."""
        versions = self.versions
        reading = versions._reader.read(self.path.read_bytes())
        assert isinstance(reading.outcome, ClusterSpec), reading.outcome
        await versions._propose(reading.outcome, Contents(self.path.read_bytes(), reading.carried))

    @property
    def running(self) -> tuple[int, str, bytes]:
        """Revision, digest and list of what runs."""
        running = self.versions.running
        assert running is not None
        assert running.contents is not None
        return running.revision, running.spec.digest, running.contents.files["servers"]

    @property
    def here(self) -> tuple[str, str]:
        return self.path.read_text(), (self.folder / "servers").read_text()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    witness = Witness(tmp_path)
    asyncio.run(witness.follow())
    return witness


def sent(folder: Path, text: str, servers: str) -> tuple[Received, str]:
    """What another node hands over as revision 5, and its digest."""
    folder.mkdir()
    there = Witness(folder)
    there.save(text, servers)
    reading = there.versions._reader.read(text.encode())
    assert isinstance(reading.outcome, ClusterSpec)
    return Received(5, Contents(text.encode(), reading.carried)), reading.outcome.digest


def test_a_document_with_another_list_is_written_and_runs(witness: Witness, tmp_path: Path) -> None:
    received, digest = sent(tmp_path / "there", EDITED, "10.0.0.12\n")
    assert asyncio.run(witness.versions.take(received, digest[:16], "router1")) is None
    assert witness.here == (EDITED, "10.0.0.12\n")
    assert witness.running == (5, digest, b"10.0.0.12\n")
    asyncio.run(witness.follow())
    assert witness.running == (5, digest, b"10.0.0.12\n"), "what was received is no edit"


def test_an_edit_of_the_list_alone_is_a_new_revision(witness: Witness) -> None:
    before = witness.running
    witness.save(DOCUMENT, "10.0.0.13\n")
    asyncio.run(witness.follow())
    assert witness.running[0] == before[0] + 1
    assert witness.running[1] != before[1]


@pytest.mark.parametrize(
    ("servers", "refusal", "said"),
    [
        ({}, "", "servers has not come with the document"),
        ({"servers": b"nonsense"}, "", "nonsense"),
        ({"servers": b"10.0.0.99\n"}, "", "not the document that was asked for"),
        ({"servers": b"10.0.0.12\n"}, "not now", "not now"),
    ],
)
def test_what_is_not_taken_leaves_everything_as_it_is(
    witness: Witness, tmp_path: Path, servers: dict[str, bytes], refusal: str, said: str
) -> None:
    received, digest = sent(tmp_path / "there", EDITED, "10.0.0.12\n")
    before = witness.here, witness.running
    witness.refusal = refusal
    forged = Received(5, Contents(received.contents.text, servers))
    assert said in str(asyncio.run(witness.versions.take(forged, digest[:16], "router1")))
    assert (witness.here, witness.running) == before


def test_what_was_read_before_a_document_came_is_not_put_together_with_its_files(
    witness: Witness, tmp_path: Path
) -> None:
    received, digest = sent(tmp_path / "there", EDITED, "10.0.0.12\n")
    read_before = witness.path.read_bytes()
    asyncio.run(witness.versions.take(received, digest[:16], "router1"))
    assert witness.versions._overtaken(read_before)
    assert not witness.versions._overtaken(witness.path.read_bytes())
    witness.save(DOCUMENT, "10.0.0.12\n")
    assert not witness.versions._overtaken(witness.path.read_bytes()), "a person's edit counts, whatever it was before"


def test_what_cannot_be_written_here_is_never_run(witness: Witness, tmp_path: Path) -> None:
    """Else groups that it does not have would be let go, and come back, at each try."""
    received, digest = sent(tmp_path / "there", EDITED, "10.0.0.12\n")
    witness.offered.clear()
    real = witness.path.rename(witness.folder / "kept-by-git.yaml")
    witness.path.symlink_to(real.name)
    assert "is a link" in str(asyncio.run(witness.versions.take(received, digest[:16], "router1")))
    assert witness.offered == []


def test_what_the_keeper_refuses_leaves_nothing_behind(witness: Witness, tmp_path: Path) -> None:
    received, digest = sent(tmp_path / "there", EDITED, "10.0.0.12\n")
    witness.refusal = "not now"
    assert asyncio.run(witness.versions.take(received, digest[:16], "router1")) == "not now"
    assert sorted(path.name for path in witness.folder.iterdir()) == ["cluster.key", "cluster.yaml", "servers"]


def test_what_cannot_be_finished_is_a_problem_that_status_shows(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Incoming, "finish", broken)
    assert asyncio.run(witness.versions._finish())
    assert "Input/output error" in witness.versions.errors[0]
