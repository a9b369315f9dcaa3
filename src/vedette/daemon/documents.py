"""From the document on disk to the version that is applied: numbered, kept, and never replaced by a broken one."""

import json
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.kit import files, plain
from vedette.spec.carried_names import Contents
from vedette.spec.rereading import Rereader
from vedette.spec.resolved import ClusterSpec

logger = logging.getLogger("vedette.document")

LAST_GOOD = "last-good.json"
_OUR_FAULT = "This is a fault of Vedette, and no document should do it: the log has where; please report it"
REMEMBERED = 64
"""Digests of earlier documents that are kept, to know an old file from an edit."""


@dataclass(frozen=True, slots=True)
class Version:
    """An accepted document. ``revision`` counts the versions that this node has applied."""

    revision: int
    spec: ClusterSpec


@dataclass(frozen=True, slots=True)
class Kept:
    """What a new document is compared with: the number and digest of the version that was applied last."""

    revision: int
    digest: str
    travels: bool
    """Whether it had ``specSync``."""
    superseded: frozenset[str]
    """Digests of documents that were applied before that one."""


class Archive:
    """The last good version, on disk (mode 0600: it holds the cluster keys)."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / LAST_GOOD

    def read(self) -> Version | None:
        """The version that was applied last, or None when there is none that can be read."""
        kept = self._load()
        try:
            return Version(revision=int(kept["revision"]), spec=plain.load(ClusterSpec, kept["spec"]))
        except (ValueError, KeyError, TypeError):  # written by another release: the document itself decides
            return None

    def glance(self) -> Kept | None:
        """The same without the document itself, in a fraction of the time."""
        kept = self._load()
        try:
            spec = kept["spec"]
            superseded = frozenset(self._former(kept))
            return Kept(int(kept["revision"]), str(spec["digest"]), bool(spec["spec_sync"]), superseded)
        except (ValueError, KeyError, TypeError):
            return None

    def write(self, version: Version) -> None:
        """Keep ``version``; raises ``OSError`` (a full disk), and the former one is still there then."""
        kept = self._load()
        last = str((kept.get("spec") or {}).get("digest", ""))
        former = [digest for digest in (*self._former(kept), last) if digest and digest != version.spec.digest]
        body = {"revision": version.revision, "spec": plain.dump(version.spec), "former": former[-REMEMBERED:]}
        files.replace(self._path, json.dumps(body).encode(), durable=True)

    def _load(self) -> dict[str, Any]:
        """What is kept, as it is; empty when there is nothing or it cannot be read."""
        data = files.read(self._path)
        try:
            kept = json.loads(data) if data is not None else {}
        except ValueError:
            return {}
        return kept if isinstance(kept, dict) else {}

    @staticmethod
    def _former(kept: dict[str, Any]) -> list[str]:
        former = kept.get("former")
        return [str(digest) for digest in former] if isinstance(former, list) else []


@dataclass(frozen=True, slots=True)
class Reading:
    """A spec, or the problems that keep it from being one; and the files that hold parts of the document.

    ``carried``: what those hold that travel with it.
    """

    outcome: ClusterSpec | tuple[str, ...]
    companions: tuple[Path, ...] = ()
    carried: Contents = field(default_factory=dict)


class Reader:
    """Reads the versions of the document at ``path``, one at a time; what an edit does not touch is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rereader = Rereader(str(path), path.parent)
        self._alone = threading.Lock()

    def read(self, content: bytes | OSError, received: Contents | None = None) -> Reading:
        """Turn what the file holds into a spec, or into the problems that keep it from being one.

        ``received``: the files that came with it from another node. A document that makes this program fail is refused
        like any other that cannot be read: what runs goes on.
        """
        text = _text(self._path, content)
        if not isinstance(text, str):
            return Reading(text)
        with self._alone:
            try:
                report = self._rereader.check(text, received)
            except Exception as error:
                logger.exception("document.unreadable")
                self._rereader = Rereader(str(self._path), self._path.parent)
                return Reading((f"{self._path}: cannot be read: {type(error).__name__}. {_OUR_FAULT}",))
        outcome = report.spec or tuple(str(problem) for problem in report.problems)
        return Reading(outcome, report.companions, report.carried)


def read(path: Path, content: bytes | OSError) -> ClusterSpec | tuple[str, ...]:
    """Read one version alone, as :class:`Reader` does."""
    return Reader(path).read(content).outcome


def _text(path: Path, content: bytes | OSError) -> str | tuple[str, ...]:
    if isinstance(content, OSError):
        return (f"{path}: cannot be read: {content.strerror}",)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return (f"{path}: is not UTF-8 text (byte {error.start})",)
