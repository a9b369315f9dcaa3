"""From plain values to the models, with every fault of structure and value found in one pass.

Pydantic finds the faults; its wording stays inside. What is faulty is cut out and the rest is validated again, so
that the checks that follow see all healthy parts.
"""

import re
from typing import Any

from pydantic import ValidationError

from vedette.spec import short_forms, words
from vedette.spec.findings import Findings
from vedette.spec.model import HACluster, anatomy
from vedette.spec.scalars import Decimal
from vedette.spec.tree import FAULTY, Path
from vedette.spec.values import shorten

_ROUNDS = 16
"""Each round cuts at least one level: a fault deep inside may make what holds it useless, and so on upwards."""


def validate(findings: Findings) -> HACluster | None:
    """Return the document without its faulty parts, or None when nothing useful is left."""
    for _ in range(_ROUNDS):
        try:
            return HACluster.model_validate(findings.tree.root)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        # a wrong key explains a missing one, so it comes first
        faults.sort(key=lambda fault: fault["type"] != "extra_forbidden")
        cuts = [_report(fault, findings) for fault in faults if not _is_echo(fault)]
        for cut in cuts:
            _cut(cut, findings)
    return None


def _is_echo(fault: Any) -> bool:
    """Tell whether a list counts as too short only because its items are faulty, which is reported of them."""
    return bool(fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"])


def _report(fault: Any, findings: Findings) -> Path:
    """Report one fault in our own words; return the place (indexes of the text) to leave out."""
    path: Path = tuple(fault["loc"])
    if fault["type"] == "missing":
        return _report_missing(path, findings)
    if fault["type"] == "extra_forbidden":
        return _report_unknown(path, findings)
    if _is_whole(fault["input"], findings) and (fault["type"] != "too_short" or findings.sound(path)):
        message, remedy = _explain(fault, path)
        findings.add(path, message, remedy)
    return findings.tree.original(path)


def _is_whole(value: Any, findings: Findings) -> bool:
    """Whether a value is as written: not faulty itself, nor the list that the text breaks off in."""
    if findings.tree.cut_off and isinstance(value, list) and value[-1:] == [FAULTY]:
        return False
    return value is not FAULTY


def _report_missing(path: Path, findings: Findings) -> Path:
    part = anatomy.part_at(path)
    if findings.sound(path) and not findings.tree.cut_off:
        findings.add(path[:-1], f"`{path[-1]}` is missing", _addition(part) if part else "", at_key=True)
    original = findings.tree.original(path)
    return original if part and part.stand_in else original[:-1]


def _addition(part: anatomy.Part) -> str:
    if len(part.choices) == 1:
        return f"add `{part.key}: {part.choices[0]}`"
    return f"add `{part.key}`: {_first_sentence(part.description)}"


def _report_unknown(path: Path, findings: Findings) -> Path:
    shape = anatomy.shape_at(path[:-1])
    known = tuple(anatomy.parts(shape)) if shape else ()
    holder = next((str(key) for key in reversed(path[:-1]) if isinstance(key, str)), "")
    advice = words.for_key(str(path[-1]), known, holder)
    original = findings.tree.original(path)
    findings.add(path, f"`{shorten(str(path[-1]))}` is not a key of {_where(path[:-1])}", advice.remedy, at_key=True)
    if advice.key and not findings.tree.holds((*original[:-1], advice.key)):
        findings.spoil((*original[:-1], advice.key))
    return original


def _where(path: Path) -> str:
    """Name the mapping at ``path`` for a sentence: ``virtualServices[]`` or ``the document``."""
    if not path:
        return "the document"
    if isinstance(path[-1], int) and len(path) > 1:
        return f"an item of `{path[-2]}`"
    return f"`{path[-1]}`"


def _cut(path: Path, findings: Findings) -> None:
    """Leave out what is at ``path``; a required key gets its stand-in, or else takes its mapping with it."""
    part = anatomy.part_at(path)
    at_key = bool(path) and isinstance(path[-1], str)
    findings.spoil(path)
    if at_key and part and part.stand_in:
        findings.tree.put(path, part.stand_in.value)
    elif path:
        findings.tree.drop(path)


_NEEDS = {
    "model_type": ("a mapping of keys", "write its keys below it, indented, or in braces: {…}"),
    "model_attributes_type": ("a mapping of keys", "write its keys below it, indented, or in braces: {…}"),
    "dict_type": ("a mapping of keys", "write its keys below it, indented, or in braces: {…}"),
    "bool_type": ("true or false", "write true or false, without quotes"),
}


_BOUNDS = ("string_too_long", "string_too_short", "too_long", "too_short", "greater_than_equal", "less_than_equal")


_PRIVATE = re.compile(
    "pass|secret|token|auth|key|community|credential|environment|header|options|login|cookie", re.IGNORECASE
)
"""Keys of what may be a secret that somebody wrote where the name of its file belongs."""


def _explain(fault: Any, path: Path) -> tuple[str, str]:
    """Say what is wrong with a value and what to write instead; what may be a secret is not repeated."""
    if any(isinstance(key, str) and _PRIVATE.search(key) for key in path) and _tells(fault["input"]):
        return _explain_private(fault, path)
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    name = _name(path)
    match kind:
        case "value":
            return context.get("message") or f"{name} {fault['msg']}", context.get("remedy", "")
        case "literal_error":
            return _explain_choice(value, path)
        case "string_type" | "string_unicode":
            return f"{name} needs text, not {_describe(value)}", _quoted(value)
        case "int_type" | "int_from_float" | "int_parsing_size":
            return f"{name} needs a whole number, not {_describe(value)}", _unquoted(value)
        case "tuple_type":
            return f"{name} needs a list, not {_describe(value)}", _listed(value, path)
        case "string_pattern_mismatch":
            return f"{name} cannot be {_describe(value)}", words.for_pattern(context.get("pattern", ""))
        case (
            "string_too_long" | "string_too_short" | "too_long" | "too_short" | "greater_than_equal" | "less_than_equal"
        ):
            return _explain_bound(kind, name, value, context)
        case "model_type" if short := short_forms.spelt_out(value, path):
            return f"{name} needs a mapping of keys, not {_describe(value)}", f"write {short}"
    needs, remedy = _NEEDS.get(kind, ("another value", "see the reference of the document"))
    return f"{name} needs {needs}, not {_describe(value)}", remedy


def _explain_private(fault: Any, path: Path) -> tuple[str, str]:
    name, part = _name(path), anatomy.part_at(path)
    if fault["type"] == "model_type" and part is not None and part.shape is not None:
        known = anatomy.parts(part.shape)
        if "secretFile" in known:
            return f"{name} needs a mapping of keys", "a secret is in a file of its own: {secretFile: secrets/NAME}"
        if "keys" in known:
            return f"{name} needs a mapping of keys", "write {keys: [{secretFile: cluster.key}]}"
        return f"{name} needs a mapping of keys", "write its keys below it, indented, or in braces: {…}"
    match fault["type"]:
        case "literal_error":
            return f"{name} cannot be that", words.for_value("", part.choices if part else ())
        case "tuple_type":
            return f"{name} needs a list", "write each item behind a `- `"
        case "string_type" | "string_unicode":
            quote = isinstance(fault["input"], int | Decimal)
            return f"{name} needs text", "quote it" if quote else "write text, without keys, brackets or dash"
        case "string_too_long" | "too_long":
            return f"{name} is too long", f"write at most {fault['ctx']['max_length']}"
        case "value":
            context = fault.get("ctx", {})
            return context.get("message") or f"{name} {fault['msg']}", context.get("remedy", "")
        case "string_pattern_mismatch":
            return f"{name} cannot be that", words.for_pattern(fault.get("ctx", {}).get("pattern", ""))
    needs, remedy = _NEEDS.get(fault["type"], ("another value", "see the reference of the document"))
    return f"{name} needs {needs}", remedy


def _tells(value: Any) -> bool:
    """Whether a text or number is in it, which could be a secret."""
    match value:
        case bool():
            return False
        case str() | int() | Decimal():
            return True
        case list():
            return any(map(_tells, value))
        case dict():
            return any(map(_tells, value.values()))
    return False


def _explain_choice(value: Any, path: Path) -> tuple[str, str]:
    part = anatomy.part_at(path)
    choices = part.choices if part else ()
    remedy = words.for_value(value if isinstance(value, str) else "", choices)
    return f"{_name(path)} cannot be {_describe(value)}", remedy


def _explain_bound(kind: str, name: str, value: Any, context: dict[str, Any]) -> tuple[str, str]:
    match kind:
        case "string_too_long":
            return f"{name} is too long", f"write at most {context['max_length']} characters"
        case "too_long":
            return f"{name} has too many items", f"write at most {context['max_length']}"
        case "string_too_short" | "too_short":
            return f"{name} is empty", "write something, or leave the key out if it may be left out"
        case "greater_than_equal":
            return f"{name} cannot be {shorten(str(value))}", f"write {context['ge']} or more"
    return f"{name} cannot be {shorten(str(value))}", f"write {context['le']} or less"


def _name(path: Path) -> str:
    if not path:
        return "the document"
    if isinstance(path[-1], int):
        return f"an item of `{path[-2]}`" if len(path) > 1 else "an item"
    return f"`{path[-1]}`"


def _describe(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"the number {value}"
        case Decimal():
            return f"the number {shorten(value.text)}"
        case str():
            return f'"{shorten(value)}"'
        case list():
            return "a list"
        case dict():
            return "a mapping of keys"
    return "this"


def _quoted(value: Any) -> str:
    match value:
        case bool():
            return f'quote it if the word is meant: "{_describe(value)}"'
        case int():
            return f'quote it: "{value}"'
        case Decimal():
            return f'quote it: "{shorten(value.text)}"'
        case [str() as only]:
            return f"write {shorten(only)} without brackets or dash"
        case [{**first}] | {**first} if first:
            return "write only text here, without keys"
    return "write text"


def _unquoted(value: Any) -> str:
    if isinstance(value, str) and value.replace("_", "").isdigit():
        return f"write {value.replace('_', '')} without quotes"
    return "write a whole number"


def _listed(value: Any, path: Path) -> str:
    if short := short_forms.spelt_out(value, path):
        return f"write [{short}]"
    if isinstance(value, str | int) and not isinstance(value, bool):
        return f"write it in brackets: [{shorten(str(value))}]"
    return "write each item behind a `- `"


def _first_sentence(text: str) -> str:
    first = text.partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]
