"""Versions of the document: kept whole, private, and never replaced by something that cannot be read."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from vedette.daemon.documents import LAST_GOOD, REMEMBERED, Archive, Kept, Reader, Version, read
from vedette.spec.rereading import Rereader
from vedette.spec.resolved import ClusterSpec

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: web}
spec:
  auth: {keys: [{secretFile: cluster.key}]}
  nodes:
    - {name: router1, address: 10.0.0.2}
  groups:
    - addresses: [{address: 203.0.113.80/24, interface: eth0}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    key = tmp_path / "cluster.key"
    key.touch(mode=0o600)
    key.write_text("a secret that is long enough to sign with\n")
    document = tmp_path / "cluster.yaml"
    document.write_text(DOCUMENT)
    return document


def _spec(path: Path) -> ClusterSpec:
    spec = read(path, path.read_bytes())
    assert isinstance(spec, ClusterSpec)
    return spec


def test_the_last_good_version_comes_back_as_it_was(path: Path, tmp_path: Path) -> None:
    version = Version(revision=7, spec=_spec(path))
    Archive(tmp_path).write(version)
    assert Archive(tmp_path).read() == version


def test_the_last_good_version_is_private_because_it_holds_the_key(path: Path, tmp_path: Path) -> None:
    Archive(tmp_path).write(Version(revision=1, spec=_spec(path)))
    assert stat.S_IMODE((tmp_path / LAST_GOOD).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"revision": 1, "spec": {"name": 3}}', b"\xff"])
def test_a_kept_version_of_another_release_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LAST_GOOD).write_bytes(content)
    assert Archive(tmp_path).read() is None
    assert Archive(tmp_path).glance() is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"apiVersion: [", "cluster.yaml:1:"),
        (DOCUMENT.replace("address: 10.0.0.2", "adress: 10.0.0.2").encode(), "cluster.yaml:7:"),
        (FileNotFoundError(2, "No such file or directory"), "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_document_names_the_file_and_the_place(
    path: Path, content: bytes | OSError, said: str
) -> None:
    problems = read(path, content)
    assert isinstance(problems, tuple)
    assert said in problems[0]


def test_a_document_whose_key_is_missing_is_not_run(path: Path) -> None:
    path.with_name("cluster.key").unlink()
    problems = read(path, path.read_bytes())
    assert isinstance(problems, tuple)
    assert "cluster.key" in problems[0]


def test_a_document_that_was_replaced_is_known_again_and_one_that_is_put_back_is_not_old(
    path: Path, tmp_path: Path
) -> None:
    archive = Archive(tmp_path)
    first, second = (replace(_spec(path), digest=digit * 64) for digit in "12")
    for revision, spec in enumerate((first, second), 1):
        archive.write(Version(revision=revision, spec=spec))
    assert archive.glance() == Kept(2, second.digest, travels=False, superseded=frozenset({first.digest}))
    archive.write(Version(revision=3, spec=first))
    assert archive.glance() == Kept(3, first.digest, travels=False, superseded=frozenset({second.digest}))
    read = archive.read()
    assert read is not None
    assert (read.revision, read.spec) == (3, first)


def test_no_more_documents_of_old_are_remembered_than_fit(path: Path, tmp_path: Path) -> None:
    archive, spec = Archive(tmp_path), _spec(path)
    for revision in range(REMEMBERED + 5):
        archive.write(Version(revision=revision, spec=replace(spec, digest=f"{revision:064}")))
    kept = archive.glance()
    assert kept is not None
    assert f"{0:064}" not in kept.superseded
    assert f"{REMEMBERED + 3:064}" in kept.superseded


def test_files_that_hold_parts_of_the_document_are_named_also_when_it_is_faulty(path: Path) -> None:
    services = "  virtualServices: [{ports: [80], realServersFile: app.servers}]\n"
    path.write_text(DOCUMENT + services)
    missing = Reader(path).read(path.read_bytes())
    assert isinstance(missing.outcome, tuple)
    assert missing.companions == (path.parent / "app.servers",)
    (path.parent / "app.servers").write_text("10.0.0.11:8080 5\n10.0.0.12\n")
    spec = Reader(path).read(path.read_bytes()).outcome
    assert isinstance(spec, ClusterSpec)
    servers = spec.virtual_services[0].real_servers
    assert [(str(item.address), item.port, item.weight) for item in servers] == [
        ("10.0.0.11", 8080, 5),
        ("10.0.0.12", None, 1),
    ]


def test_a_page_is_read_from_its_file(path: Path) -> None:
    sorry = "sorryServer: {page: {bodyFile: sorry.html}}"
    path.write_text(f"{DOCUMENT}  virtualServices: [{{ports: [80], realServers: [{{address: 10.0.0.11}}], {sorry}}}]\n")
    (path.parent / "sorry.html").write_text("<p>sorry</p>")
    spec = Reader(path).read(path.read_bytes()).outcome
    assert isinstance(spec, ClusterSpec)
    assert spec.virtual_services[0].sorry is not None
    assert spec.virtual_services[0].sorry.page is not None
    assert spec.virtual_services[0].sorry.page.body == "<p>sorry</p>"


def test_names_of_real_servers_are_kept_with_the_last_good_version(path: Path, tmp_path: Path) -> None:
    names = "[{hostname: app.example}, {srv: _http._tcp.example, weight: 5}]"
    path.write_text(f"{DOCUMENT}  virtualServices: [{{ports: [80], realServers: {names}}}]\n")
    version = Version(revision=1, spec=_spec(path))
    Archive(tmp_path).write(version)
    assert Archive(tmp_path).read() == version
    assert [item.name for item in version.spec.virtual_services[0].names] == ["app.example", "_http._tcp.example"]


def test_a_private_file_is_no_part_of_a_document(path: Path) -> None:
    """Else a document could have the cluster's key served as a page."""
    sorry = "sorryServer: {page: {bodyFile: cluster.key}}"
    path.write_text(f"{DOCUMENT}  virtualServices: [{{ports: [80], realServers: [{{address: 10.0.0.11}}], {sorry}}}]\n")
    outcome = Reader(path).read(path.read_bytes()).outcome
    assert isinstance(outcome, tuple)
    assert "is private" in outcome[0]
    assert "secret that is" not in outcome[0]


@pytest.mark.parametrize("name", ["folder", "folder/../folder", ".", "fifo", "x" * 300, f"folder/{'y' * 260}/z"])
@pytest.mark.parametrize(
    "part",
    [
        "realServersFile: {}",
        "realServers: [{{address: 10.0.0.11}}], sorryServer: {{page: {{bodyFile: {}}}}}",
        "realServers: [{{address: 10.0.0.11}}], checks: [{{https: {{caFile: {}}}}}]",
    ],
)
def test_what_is_no_file_is_a_problem_of_the_document_and_no_end_of_the_daemon(
    path: Path, part: str, name: str
) -> None:
    (path.parent / "folder").mkdir()
    os.mkfifo(path.parent / "fifo")
    services = f"  specSync: true\n  virtualServices: [{{ports: [80], {part.format(name)}}}]\n"
    path.write_text(DOCUMENT + services)
    outcome = Reader(path).read(path.read_bytes()).outcome
    assert isinstance(outcome, tuple)
    assert all(problem.startswith(f"{path}:") for problem in outcome)
    assert not any("fault of Vedette" in problem for problem in outcome)


def test_a_document_that_makes_the_reader_fail_is_refused_and_the_next_one_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(path)
    with monkeypatch.context() as context:
        context.setattr(Rereader, "check", lambda *_: 1 // 0)
        outcome = reader.read(path.read_bytes()).outcome
    assert isinstance(outcome, tuple)
    assert "ZeroDivisionError" in outcome[0]
    assert isinstance(reader.read(path.read_bytes()).outcome, ClusterSpec)
