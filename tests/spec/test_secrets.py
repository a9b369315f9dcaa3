"""Key files: found from the document, readable by their owner only, never quoted."""

from pathlib import Path

import pytest
from tests.spec.documents import document

from vedette.cluster import wire
from vedette.kit.errors import UsageError
from vedette.spec import load
from vedette.spec.load import Problems, Report, Secrets
from vedette.spec.resolved import UNSIGNED

SECRET = "0123456789abcdef0123456789abcdef"


def write(folder: Path, *names: str) -> Path:
    keys = ", ".join(f"{{secretFile: {name}}}" for name in names)
    path = folder / "cluster.yaml"
    path.write_text(document(f"auth: {{keys: [{keys}]}}"))
    return path


def check(path: Path, secrets: Secrets = Secrets.REQUIRED) -> Report:
    return load.check(path, secrets=secrets)


def test_keys_are_read_relative_to_the_document(key_file: Path) -> None:
    spec = load.load(write(key_file.parent, "cluster.key"))
    (key,) = spec.keys
    assert key.secret == SECRET.encode()
    assert key.id == wire.fingerprint(key.secret).hex()
    assert SECRET not in repr(spec)


def test_what_nobody_signed_is_accepted_only_where_the_document_says_so_and_then_signs_last(key_file: Path) -> None:
    path = key_file.parent / "cluster.yaml"
    path.write_text(document("auth: {keys: [{secretFile: cluster.key}], enforce: false}"))
    report = check(path)
    assert report.spec is not None
    assert [key.secret for key in report.spec.keys] == [SECRET.encode(), UNSIGNED.secret]
    (warning,) = report.warnings
    assert "forge" in warning.message
    path.write_text(document("auth: {keys: [{secretFile: cluster.key}], enforce: true}"))
    assert UNSIGNED not in load.load(path).keys


def test_a_cluster_without_authentication_reads_no_key(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(document("auth: {enforce: false}"))
    report = check(path)
    assert report.spec is not None
    assert (report.spec.keys, report.key_files) == ((UNSIGNED,), ())


def test_the_order_of_keys_is_kept(key_file: Path) -> None:
    second = key_file.with_name("second.key")
    second.write_text("another secret, long enough")
    second.chmod(0o600)
    spec = load.load(write(key_file.parent, "second.key", str(key_file)))
    assert [key.secret for key in spec.keys] == [b"another secret, long enough", SECRET.encode()]


def test_a_missing_key_stops_the_daemon_and_warns_the_validator(tmp_path: Path) -> None:
    path = write(tmp_path, "cluster.key")
    with pytest.raises(Problems, match="does not exist") as caught:
        load.load(path)
    assert isinstance(caught.value, UsageError)
    assert f"vedette init --key {tmp_path}/cluster.key" in caught.value.problems[0].remedy
    report = check(path, Secrets.IF_PRESENT)
    assert report.spec is not None
    assert ["does not exist" in warning.message for warning in report.warnings] == [True]


def test_without_secrets_no_file_is_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, "cluster.key", "keys/next")
    assert load.load(path, secrets=False).keys == ()
    report = check(path, Secrets.IGNORED)
    assert report.warnings == ()
    assert report.key_files == (tmp_path / "cluster.key", tmp_path / "keys/next")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o700 | 0o010])
def test_a_key_that_others_may_touch_is_refused_by_all(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    path = write(key_file.parent, "cluster.key")
    for secrets in (Secrets.REQUIRED, Secrets.IF_PRESENT):
        (problem,) = check(path, secrets).problems
        assert problem.remedy == f"chmod 600 {key_file}"
        assert (problem.line, problem.path) == (7, "spec.auth.keys[0].secretFile")


@pytest.mark.parametrize("content", ["", "short", "fifteen bytes!!\n", "x" * 5000])
def test_a_key_has_a_sensible_length_and_is_never_quoted(key_file: Path, content: str) -> None:
    key_file.write_text(content)
    (problem,) = check(write(key_file.parent, "cluster.key")).problems
    assert "bytes" in problem.message
    if content:
        assert content.strip() not in str(problem)


def test_a_key_must_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "cluster.key").mkdir(mode=0o700)
    (problem,) = check(write(tmp_path, "cluster.key")).problems
    assert "not a regular file" in problem.message


def test_the_same_key_twice_is_a_mistake(key_file: Path) -> None:
    (problem,) = check(write(key_file.parent, "cluster.key", "./cluster.key")).problems
    assert "same key" in problem.message


def test_the_default_key_file_is_that_of_init(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(document())
    assert check(path, Secrets.IGNORED).key_files == (Path("/etc/vedette/cluster.key"),)


@pytest.mark.parametrize("name", ["/etc/passwd", "../passwd", "link"])
def test_nobody_is_told_to_change_the_mode_of_a_file_that_is_not_the_clusters(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    (tmp_path / "passwd").write_text(SECRET)
    (tmp_path / "passwd").chmod(0o644)
    (folder / "link").symlink_to(tmp_path / "passwd")
    (problem,) = check(write(folder, name)).problems
    assert "is open to others" in problem.message
    assert "chmod" not in problem.remedy


@pytest.mark.parametrize("name", ["/dev/zero", "."])
def test_nobody_is_told_to_make_a_key_where_something_else_is(tmp_path: Path, name: str) -> None:
    (problem,) = check(write(tmp_path, name)).problems
    assert "not a regular file" in problem.message
    assert "init" not in problem.remedy


def test_nobody_is_told_to_make_a_key_over_one_that_is_too_short(key_file: Path) -> None:
    key_file.write_text("short")
    (problem,) = check(write(key_file.parent, "cluster.key")).problems
    assert str(key_file) not in problem.remedy
