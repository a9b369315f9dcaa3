"""Cases of edits: what is replaced in the base document, and the documents before and after."""

import re
from pathlib import Path

from vedette.edits.masking import masked
from vedette.spec import load
from vedette.spec.load import Secrets
from vedette.spec.resolved import ClusterSpec

CASES = Path(__file__).parent / "cases"
BASE = CASES / "base.yaml"
SECRETS = {"one.key": "k1" * 20, "two.key": "k2" * 20, "community": "swordfish"}
_EDIT = re.compile(r"<<<\n(.*?)\n?===\n(.*?)\n?>>>\n", re.DOTALL)


def edited(case: Path) -> str:
    """The base document after the edits of a case; each text that is replaced must be there once."""
    text = BASE.read_text()
    for old, new in _EDIT.findall(case.read_text()):
        assert text.count(old) == 1, f"{case.name}: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def read(text: str, folder: Path, *, nonce: bytes = b"n") -> ClusterSpec:
    """A document, resolved and masked; its secrets are made in ``folder``."""
    for name, content in SECRETS.items():
        path = folder / name
        path.write_text(content + "\n")
        path.chmod(0o600)
    report = load.check_text(text, name="t.yaml", directory=folder, secrets=Secrets.REQUIRED)
    assert report.spec is not None, report.problems
    return masked(report.spec, nonce)
