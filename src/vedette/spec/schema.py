"""The shape for others: a JSON Schema for editors, and the CustomResourceDefinition for Kubernetes.

Both are made from the models. The CRD is a structural schema (facts-kubernetes.md section 3): no references, a type
everywhere, no defaults (else the API server stores values that nobody wrote), ``oneOf`` with ``required`` for
alternatives (cheap, and it works in editors too) and no CEL.
"""

from collections.abc import Callable
from typing import Any

import yaml

from vedette.spec.model import API_VERSION, KIND, HACluster, anatomy
from vedette.spec.model.base import Item, Shape

Schema = dict[str, Any]

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "haclusters"
ID = f"https://{GROUP}/schemas/{VERSION}/hacluster.json"

_INT_OR_STRING = "x-kubernetes-int-or-string"
_KEPT = (
    "enum", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minimum",
    "pattern", "type",
)  # fmt: skip


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of the document, for editors."""
    schema = _convert(HACluster, editor=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": KIND,
        **schema,
    }


def crd() -> Schema:
    """Return the CustomResourceDefinition."""
    shape = _convert(HACluster, editor=False)
    shape["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": shape["properties"]["spec"],
        "status": _status(),
    }
    shape["required"] = ["spec"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "hacluster",
                "shortNames": ["hac"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": shape},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                }
            ],
        },
    }


def crd_text() -> str:
    """Return the CRD as YAML, as it is kept in ``crds/``."""
    head = "# Made by `vedette schema --crd`; a test fails when it is not what the models say.\n"
    return head + yaml.safe_dump(crd(), sort_keys=False, width=120, allow_unicode=True)


def _columns() -> list[Schema]:
    return [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Holder", "type": "string", "jsonPath": ".status.holder"},
        {"name": "Generation", "type": "integer", "jsonPath": ".metadata.generation", "priority": 1},
        {"name": "Observed", "type": "integer", "jsonPath": ".status.observedGeneration", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def _status() -> Schema:
    """What the node that holds the lease ``coordinator`` writes (facts-kubernetes.md section 4)."""
    condition = {
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {"type": "string", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
            "message": {"type": "string", "maxLength": 32768},
        },
    }
    return {
        "type": "object",
        "description": "What the cluster says of itself.",
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "Generation of the spec that the cluster runs.",
            },
            "holder": {"type": "string", "description": "Node that writes this status."},
            "conditions": {
                "type": "array",
                "items": condition,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        },
    }


def _convert(shape: type[Shape], *, editor: bool) -> Schema:
    """Turn pydantic's schema of a shape into ours, without references."""
    raw = shape.model_json_schema()
    definitions = raw.get("$defs", {})

    def resolve(node: Schema) -> Schema:
        reference = node.get("$ref")
        return {**definitions[reference.rpartition("/")[2]], **node} if reference else node

    return _object(shape, raw, resolve, editor=editor)


def _object(shape: type[Shape], raw: Schema, resolve: Callable[[Schema], Schema], *, editor: bool) -> Schema:
    parts = anatomy.parts(shape)
    properties = {key: _property(parts[key], node, resolve, editor=editor) for key, node in raw["properties"].items()}
    schema: Schema = {"type": "object"}
    if shape.__doc__:
        schema["description"] = " ".join(shape.__doc__.partition("\n\n")[0].split())
    schema["properties"] = properties
    if raw.get("required"):
        schema["required"] = list(raw["required"])
    if shape.one_of:
        schema["oneOf"] = [{"required": [key]} for key in shape.one_of]
    if editor:
        schema["additionalProperties"] = False
    return schema


def _property(part: anatomy.Part, node: Schema, resolve: Callable[[Schema], Schema], *, editor: bool) -> Schema:
    schema = _value(part, _without_null(resolve(node)), resolve, editor=editor)
    description = part.description
    if part.later is not None:
        words = ", ".join(f"`{value}`" for value in part.later.values)
        description += f" Not supported yet: {words}." if words else " Not supported yet."
    return {"description": description, **{key: value for key, value in schema.items() if key != "description"}}


def _value(part: anatomy.Part, node: Schema, resolve: Callable[[Schema], Schema], *, editor: bool) -> Schema:
    node = resolve(node)
    if node.get(_INT_OR_STRING):
        return _int_or_string(node, editor=editor)
    if "properties" in node or (part.shape is not None and node.get("type") == "object" and not part.many):
        assert part.shape is not None
        return _object(part.shape, {"properties": {}, **node}, resolve, editor=editor)
    schema = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        schema |= {"type": "string", "enum": [node["const"]]}
    match node.get("type"):
        case "array":
            schema["items"] = _item(part, node["items"], resolve, editor=editor)
            if not editor and _is_item(part.shape) and "name" in schema["items"].get("required", ()):
                schema["x-kubernetes-list-type"] = "map"
                schema["x-kubernetes-list-map-keys"] = ["name"]
        case "object":
            schema["additionalProperties"] = _value(part, node["additionalProperties"], resolve, editor=editor)
    return schema


def _is_item(shape: type[Shape] | None) -> bool:
    """Tell whether the name of a shape is its own: the name of a :class:`FencingUse` is a device's, and may recur."""
    return shape is not None and issubclass(shape, Item)


def _item(part: anatomy.Part, node: Schema, resolve: Callable[[Schema], Schema], *, editor: bool) -> Schema:
    node = resolve(node)
    if part.shape is not None:
        return _object(part.shape, {"properties": {}, **node}, resolve, editor=editor)
    return _value(part, node, resolve, editor=editor)


def _int_or_string(node: Schema, *, editor: bool) -> Schema:
    if editor:
        return {"anyOf": node["anyOf"]}
    return {_INT_OR_STRING: True}


def _without_null(node: Schema) -> Schema:
    """An optional key is one that may be left out, not one that may be null."""
    if "anyOf" not in node:
        return node
    rest = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    if len(rest) == 1:
        return {**rest[0], **{key: value for key, value in node.items() if key not in ("anyOf", "default", "title")}}
    return node
