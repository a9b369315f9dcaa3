"""A value where a mapping of keys belongs: what its author probably meant, spelt out."""

import re

from vedette.spec.model import anatomy
from vedette.spec.tree import Path
from vedette.spec.values import shorten

_ALONE = {
    "defaults": "interval", "drain": "timeout", "flapDamping": "failures", "heartbeat": "interval", "http": "path",
    "https": "path", "persistence": "timeout", "realServers": "address", "slowStart": "duration",
    "sorryServer": "address", "splitBrain": "policy", "tunnel": "type", "watchdog": "device",
}  # fmt: skip
"""What a value alone is meant for, where a mapping belongs."""

_TIMES = ("timeout", "interval", "duration")


def spelt_out(value: object, path: Path) -> str | None:
    """Return the mapping that a value alone at ``path`` probably stands for; None where none suggests itself."""
    part = anatomy.part_at(path)
    if part is None or part.shape is None or isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text, key = shorten(str(value)), part.key
    known = anatomy.parts(part.shape)
    if not known:
        return "{}"
    if key == "groups":
        return f"{{name: {text}, addresses: [{{address: 203.0.113.80/24}}]}}"
    if key == "checks" and part.many:
        kind = known.get(text)
        return f"{{{text}: {{}}}}" if kind is not None and kind.shape is not None else f"{{use: {text}}}"
    if (apart := re.fullmatch(r"([0-9.]+):([0-9]+)", text)) and "port" in known:
        return f"{{address: {apart[1]}, port: {apart[2]}}}"
    needed = [inner.key for inner in known.values() if inner.required]
    main = needed[0] if len(needed) == 1 else _ALONE.get("defaults" if key == "checks" else key)
    if main is None or main not in known:
        return None
    return f"{{{main}: {text}{'s' if isinstance(value, int) and main in _TIMES else ''}}}"
