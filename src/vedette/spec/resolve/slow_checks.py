"""Checks of the slow lane: each kind from its shape to what is carried out."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vedette.spec.model import checks as model
from vedette.spec.model import slow_checks as shapes
from vedette.spec.probes import DialogueProbe, FileProbe, FixedProbe, SlowProbe, Step
from vedette.spec.resolve.scope import DeviceFiles, Scope
from vedette.spec.secret import Secret
from vedette.spec.tree import Path

ESCAPE = "put a `\\` before `(`, `[`, `*` …"


@dataclass(frozen=True, slots=True)
class Here:
    """A mapping inside a check: where it is written, and what it may name. ``loud``: its faults are unreported yet."""

    scope: Scope
    files: DeviceFiles
    path: Path
    loud: bool

    def below(self, *keys: str | int) -> "Here":
        return replace(self, path=(*self.path, *keys))

    def fault(self, key: str, message: str, remedy: str, *, at_key: bool = False) -> None:
        """Report a fault of a key of this mapping, once."""
        if self.loud and self.scope.sound((*self.path, key)):
            self.scope.fault((*self.path, key), message, remedy, at_key=at_key)

    def secret(self, key: str) -> Secret:
        """Return the secret whose file ``key`` of this mapping names."""
        return self.files.secret((*self.path, key, "secretFile"))

    def check_pattern(self, key: str, pattern: str | None) -> None:
        """Report what is no regular expression."""
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError):
            self.fault(key, "this is not a regular expression", ESCAPE)


def resolve(check: model.Probe, here: Here) -> SlowProbe | None:
    """Return what a check does; None when it is none of the slow lane."""
    for key, read in _KINDS.items():
        written = getattr(check, key)
        if written is not None:
            return read(written, here.below(key))
    return None


def _fixed(written: str, here: Here) -> FixedProbe:
    return FixedProbe(up=written == "up")


def _dialogue(written: shapes.Dialogue, here: Here) -> DialogueProbe:
    for index, step in enumerate(written.steps):
        here.below("steps", index).check_pattern("expect", step.expect)
    return DialogueProbe(tuple(Step(send=step.send, expect=step.expect) for step in written.steps))


def _file(written: shapes.FileCheck, here: Here) -> FileProbe:
    here.check_pattern("expect", written.expect)
    return FileProbe(path=here.files.name(written.path), expect=written.expect)


_KINDS: dict[str, Callable[[Any, Here], SlowProbe]] = {
    "fixed": _fixed,
    "dialogue": _dialogue,
    "file": _file,
}
"""By the attribute of :class:`vedette.spec.model.checks.Probe` that holds what was written."""
