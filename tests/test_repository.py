"""What the repository says of itself is true: links, paths, commands, locks and manifests."""

import configparser
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from vedette.cli import main, validate
from vedette.cli.output import Paint
from vedette.spec import load

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
UNIT = ROOT / "manifests/systemd/vedette.service"
REAL_SERVER = ROOT / "manifests/systemd/vedette-real-server.service"

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_OWN_PATH = re.compile(r"\b(?:src/vedette|tests|docs|examples|manifests|crds|benchmarks|tools)/[\w./-]*\w/?")
_MARK = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?: ; [^\\]+)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text()) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_index_lists_every_page() -> None:
    listed = _LINK.findall((ROOT / "docs/README.md").read_text())
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= set(listed)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_path_of_ours_that_a_document_names_exists(document: Path) -> None:
    named = set(_OWN_PATH.findall(document.read_text()))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_command_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    code = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE) + re.findall(r"`([^`\n]+)`", text))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets
    assert set(re.findall(r"^vedette ([a-z-]+)\b(?!\.)", code, re.MULTILINE)) <= set(main.VERBS)


def _shown() -> list[str]:
    """The documents that the README shows."""
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_documents_that_the_readme_shows_are_good() -> None:
    assert _shown()
    for text in _shown():
        load.load_text(text, name="README.md", directory=ROOT, secrets=False)


def test_the_mistakes_that_the_readme_shows_are_answered_as_it_shows(tmp_path: Path) -> None:
    text = (
        _shown()[0]
        .replace("[203.0.113.80]", "[203.0.113.8]")
        .replace("443", "443000")
        .replace("realServers", "realserver")
    )
    report = load.check_text(text, name="cluster.yaml", directory=tmp_path, secrets=load.Secrets.IGNORED)
    answer = validate.render(report.problems, (), 1, Paint(enabled=False)).splitlines()
    assert len(answer) == 7
    readme = (ROOT / "README.md").read_text().splitlines()
    assert [line for line in answer if line not in readme] == []


def test_the_readme_names_every_verb() -> None:
    (row,) = (line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `validate`"))
    assert set(re.findall(r"`([a-z-]+)`", row)) == set(main.VERBS)


def test_the_changelog_says_nothing_twice() -> None:
    starts = [line[:30] for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.strip()]
    assert [start for start in starts if starts.count(start) > 1] == []


def test_nothing_unfinished_is_marked_in_the_product() -> None:
    marked = [_name(path) for path in (ROOT / "src").rglob("*.py") if _MARK.search(path.read_text())]
    assert marked == []


def _pins(lock: str) -> dict[str, str]:
    """Read a lock; any line that is neither a release, a hash nor a comment is a mistake (an address, a path)."""
    pins = {}
    for line in (ROOT / lock).read_text().splitlines():
        pin = _PIN.match(line)
        assert pin or _HASH.match(line) or not line.strip() or line.startswith("#"), line
        if pin:
            pins[pin[1]] = pin[2]
    return pins


def test_the_locks_hold_releases_and_hashes_and_no_addresses() -> None:
    everything = _pins("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-build.lock"):
        assert _pins(lock).items() <= everything.items()


def test_the_locks_are_of_what_the_project_asks_for() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"requirements.lock": document["project"]["dependencies"]}
    wanted["requirements-dev.lock"] = wanted["requirements.lock"] + document["dependency-groups"]["dev"]
    wanted["requirements-build.lock"] = document["dependency-groups"]["build"]
    for lock, requirements in wanted.items():
        names = {re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in requirements}
        assert names <= set(_pins(lock))


def _unit(path: Path = UNIT) -> configparser.ConfigParser:
    # Not strict: some words may stand several times (systemd.syntax(7)), DeviceAllow= for one.
    unit = configparser.ConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    return unit


@pytest.mark.parametrize(("unit", "verb"), [(UNIT, "run"), (REAL_SERVER, "real-server")], ids=["run", "real-server"])
def test_a_unit_starts_a_command_that_exists(unit: Path, verb: str) -> None:
    program, *words = shlex.split(_unit(unit)["Service"]["ExecStart"])
    assert (program, words[0]) == ("/usr/bin/vedette", verb)
    main.build(only=verb).parse_args(words)


def test_what_a_real_server_has_changed_outlives_a_stop_and_not_the_boot() -> None:
    service = _unit(REAL_SERVER)["Service"]
    default = main.build(only="real-server").parse_args(["real-server"]).run_dir
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryPreserve"]) == (default.name, "yes")
    assert default.parent == Path("/run")


def test_the_unit_keeps_the_promises_of_this_boot_and_not_of_the_last() -> None:
    service = _unit()["Service"]
    assert (service["Type"], service["Restart"]) == ("notify", "always")
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryPreserve"]) == ("vedette", "yes")


def test_ci_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert words == sorted(words, key=str.lower)
