"""The reference of the document, printed from the models: every key, its type, its meaning, its default."""

from collections.abc import Iterator

from vedette.spec import schema
from vedette.spec.model import HACluster, anatomy
from vedette.spec.model.base import Shape

_HEAD = """\
# Reference of the document

Every key of the document, printed by `vedette schema --reference`. Keys in bold must be written. What this release
does not do yet is refused with "not supported yet"; the mappings below such keys are left out here.
[document.md](document.md) explains how the parts belong together.
"""


def reference() -> str:
    """Return the reference as Markdown: one section for each mapping, in the order of the document."""
    return "\n".join((_HEAD, *_sections(HACluster, "", schema.json_schema(), set())))


def _sections(shape: type[Shape], path: str, node: schema.Schema, done: set[type[Shape]]) -> Iterator[str]:
    """Yield the section of a shape, then those below it; a shape that occurs again is described once."""
    yield from _section(shape, path, node)
    done.add(shape)
    for part in anatomy.parts(shape).values():
        refused = part.later is not None and not part.later.values
        if part.shape is not None and part.shape not in done and not refused and anatomy.parts(part.shape):
            inner = node["properties"][part.key]
            where = f"{path}.{part.key}" if path else part.key
            yield from _sections(part.shape, f"{where}[]" if part.many else where, inner.get("items", inner), done)


def _section(shape: type[Shape], path: str, node: schema.Schema) -> Iterator[str]:
    yield f"## {path or 'The document'}"
    if "description" in node:
        yield node["description"]
    if shape.one_of:
        yield f"Exactly one of {', '.join(f'`{key}`' for key in shape.one_of)} is written."
    yield ""
    yield "| key | type | meaning |"
    yield "|---|---|---|"
    for part in anatomy.parts(shape).values():
        value = node["properties"][part.key]
        needed = "**" if part.required else ""
        yield f"| {needed}`{part.key}`{needed} | {_type(value)} | {_cell(value['description'])} |"
    yield ""


def _type(value: schema.Schema) -> str:
    if "anyOf" in value:
        return "number or text"
    if "enum" in value:
        return " \\| ".join(f"`{choice}`" for choice in value["enum"])
    match value["type"]:
        case "array":
            return f"list of {_type(value['items'])}"
        case "object":
            inner = value.get("additionalProperties")
            return f"map of {_type(inner)}" if isinstance(inner, dict) else "mapping"
        case "string":
            return "duration" if "ms|s|m|h" in value.get("pattern", "") else "text"
        case "integer":
            return "number"
    return str(value["type"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
