"""The files that machines find: the document as it is, and keys of the lab's own."""

from pathlib import Path, PurePosixPath

from vedette.lab import documents

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: alone}
spec:
  auth: {keys: [{secretFile: keys/new}, {secretFile: ../old}, {secretFile: /srv/third}]}
  nodes: [{name: only}]
  groups: [{addresses: [{address: 203.0.113.80/24}]}]
"""


def test_every_key_gets_a_stand_in_at_its_place_and_the_real_one_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "new").write_text("the real key, which must not leave this place")
    path = tmp_path / "alone.yaml"
    path.write_text(DOCUMENT)
    keys = documents.key_files(path)
    assert list(keys) == [PurePosixPath(name) for name in ("/etc/vedette/keys/new", "/etc/old", "/srv/third")]
    assert len(set(keys.values())) == 3
    assert not any(b"real" in key for key in keys.values())


def test_a_document_without_keys_gets_the_usual_one(tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    path.write_text("\n".join(line for line in DOCUMENT.splitlines() if "auth" not in line))
    assert list(documents.key_files(path)) == [PurePosixPath("/etc/vedette/cluster.key")]


def test_keys_are_for_root_only_and_the_document_for_all(tmp_path: Path) -> None:
    key = PurePosixPath("/etc/vedette/cluster.key")
    documents.place([tmp_path], "text", {key: b"secret"})
    assert (tmp_path / "etc/vedette/cluster.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc/vedette/cluster.yaml").stat().st_mode & 0o777 == 0o644


def test_what_travels_with_a_document_is_readable_and_the_labs_own_where_the_lab_made_it(tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    check = "checks: [{name: x, https: {caFile: ca.pem}}]\n  serverPools: [{name: p, realServersFile: servers}]"
    path.write_text(DOCUMENT.replace("  nodes:", f"  specSync: true\n  {check}\n  nodes:"))
    for name in ("ca.pem", "servers"):
        (tmp_path / name).write_text("of this host")
    made = {PurePosixPath("/etc/vedette/ca.pem"): b"of the lab"}
    assert documents.companions(path, made) == {
        PurePosixPath("/etc/vedette/ca.pem"): b"of the lab",
        PurePosixPath("/etc/vedette/servers"): b"of this host",
    }
