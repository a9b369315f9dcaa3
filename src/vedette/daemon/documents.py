"""From the document on disk to the version that is applied: numbered, kept, and never replaced by a broken one."""

import json
from dataclasses import dataclass
from pathlib import Path

from vedette.kit import files, plain
from vedette.spec import load
from vedette.spec.resolved import ClusterSpec

LAST_GOOD = "last-good.json"


@dataclass(frozen=True, slots=True)
class Version:
    """An accepted document. ``revision`` counts the versions that this node has applied."""

    revision: int
    spec: ClusterSpec


class Archive:
    """The last good version, on disk (mode 0600: it holds the cluster keys)."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / LAST_GOOD

    def read(self) -> Version | None:
        """The version that was applied last, or None when there is none that can be read."""
        data = files.read(self._path)
        if data is None:
            return None
        try:
            kept = json.loads(data)
            return Version(revision=int(kept["revision"]), spec=plain.load(ClusterSpec, kept["spec"]))
        except (ValueError, KeyError, TypeError):  # written by another release: the document itself decides
            return None

    def write(self, version: Version) -> None:
        """Keep ``version``; raises ``OSError`` (a full disk), and the former one is still there then."""
        body = {"revision": version.revision, "spec": plain.dump(version.spec)}
        files.replace(self._path, json.dumps(body).encode(), durable=True)


def read(path: Path, content: bytes | OSError) -> ClusterSpec | tuple[str, ...]:
    """Turn what the file holds into a spec, or into the problems that keep it from being one."""
    if isinstance(content, OSError):
        return (f"{path}: cannot be read: {content.strerror}",)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return (f"{path}: is not UTF-8 text (byte {error.start})",)
    try:
        return load.load_text(text, name=str(path), directory=path.parent, secrets=True)
    except load.Problems as problems:
        return tuple(str(problem) for problem in problems.problems)
