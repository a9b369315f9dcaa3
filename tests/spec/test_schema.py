"""The JSON Schema and the CRD: fresh, structural, and of one mind with the loader."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.spec.documents import GROUPS, HEAD

from vedette.spec import load, reference, schema
from vedette.spec.load import Secrets
from vedette.spec.model import HACluster, anatomy
from vedette.spec.model.fencing import FencingDevice

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/cluster.yaml"))
FULL = Path(__file__).parent / "full.yaml"
EDITOR = jsonschema.Draft202012Validator(schema.json_schema())


def structural() -> dict[str, Any]:
    found: dict[str, Any] = schema.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk the structural part of a schema: properties, items, additionalProperties."""
    yield path, node
    for key, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{key}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def test_the_crd_in_the_repository_is_fresh() -> None:
    """Make it anew with ``vedette schema --crd > crds/vedette.dev_haclusters.yaml``."""
    assert (ROOT / "crds" / "vedette.dev_haclusters.yaml").read_text() == schema.crd_text()


ALLOWED = {
    "additionalProperties", "description", "enum", "format", "items", "maxItems", "maxLength", "maxProperties",
    "maximum", "minItems", "minLength", "minimum", "oneOf", "pattern", "properties", "required", "type",
    "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
}  # fmt: skip


def test_the_crd_is_a_structural_schema() -> None:
    """The rules of the API server (structural schemas of apiextensions v1), with no defaults and no CEL."""
    for path, node in nodes(structural()):
        assert node.keys() <= ALLOWED, path
        if node.get("x-kubernetes-int-or-string"):
            assert "type" not in node, path
        else:
            assert node.get("type") in ("object", "array", "string", "integer", "boolean"), path
        assert not ("properties" in node and "additionalProperties" in node), path
        if node.get("type") == "array":
            assert "items" in node, path
            assert path.startswith(".status") or "maxItems" in node, path
        for choice in node.get("oneOf", ()):
            assert choice.keys() == {"required"}, path
            assert set(choice["required"]) <= node["properties"].keys(), path
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), path


def test_named_lists_are_maps_by_name_for_the_api_server() -> None:
    found = {path: node for path, node in nodes(structural()) if node.get("x-kubernetes-list-type") == "map"}
    assert ".spec.nodes" in found
    assert ".spec.serverPools" in found
    for path, node in found.items():
        for key in node["x-kubernetes-list-map-keys"]:
            assert key in node["items"]["required"], path


def test_the_crd_names_itself_as_kubernetes_wants() -> None:
    crd = schema.crd()
    names = crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.{crd['spec']['group']}"
    assert crd["spec"]["scope"] == "Namespaced"
    (version,) = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert structural()["properties"]["status"]["properties"].keys() == {"observedGeneration", "holder", "conditions"}


@pytest.mark.parametrize("path", [*EXAMPLES, FULL], ids=[path.parent.name for path in [*EXAMPLES, FULL]])
def test_right_documents_fit_both_schemas(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert [error.message for error in EDITOR.iter_errors(document)] == []
    kubernetes = jsonschema.Draft202012Validator(structural())
    assert [error.message for error in kubernetes.iter_errors(document)] == []


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())


WRONG: list[tuple[str, Any]] = [
    ("spec.nodes", []),
    ("spec.nodes.0.name", 5),
    ("spec.nodes.0.unknown", 1),
    ("spec.nodes.0.role", "master"),
    ("spec.heartbeat", {"interval": "5"}),
    ("spec.heartbeat", {"links": [{"name": "a", "unicast": {}, "broadcast": {}}]}),
    ("spec.virtualServices.0.ports", 80),
    ("spec.virtualServices.0.ports", [{"port": 80}]),
    ("spec.virtualServices.0.serverPool", "and realServers"),
    ("spec.virtualServices.0.scheduler", "best"),
    ("spec.virtualServices.0.realServers.0.port", 70000),
    ("spec.virtualServices.0.realServers.0.weight", -1),
    ("spec.virtualServices.0.realServers.0.weight", "1"),
    ("kind", "Cluster"),
    ("metadata.name", "Not_A_Name"),
]


@pytest.mark.parametrize(("place", "value"), WRONG, ids=[f"{place}={value}" for place, value in WRONG])
def test_the_editor_and_the_loader_refuse_the_same(place: str, value: Any) -> None:
    smallest = yaml.safe_load((ROOT / "examples" / "smallest" / "cluster.yaml").read_text())
    document = copy.deepcopy(smallest)
    holder: Any = document
    *path, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in path:
        holder = holder[key]
    holder[last] = value
    assert list(EDITOR.iter_errors(document))
    report = load.check_text(yaml.safe_dump(document), name="t", directory=Path(), secrets=Secrets.IGNORED)
    assert report.problems


def test_every_key_is_described_and_one_of_names_optional_keys() -> None:
    seen = {HACluster}
    waiting = [HACluster]
    while waiting:
        shape = waiting.pop()
        parts = anatomy.parts(shape)
        for part in parts.values():
            assert part.description.endswith("."), (shape, part.key)
            if part.shape is not None and part.shape not in seen:
                seen.add(part.shape)  # type: ignore[arg-type]
                waiting.append(part.shape)  # type: ignore[arg-type]
        for key in shape.one_of:
            assert not parts[key].required, (shape, key)


def test_the_reference_in_the_docs_is_fresh() -> None:
    """Make it anew with ``vedette schema --reference > docs/reference.md``."""
    assert (ROOT / "docs" / "reference.md").read_text() == reference.reference() + "\n"


def test_the_documents_in_the_docs_are_right() -> None:
    """The page about the document begins with one that can be used as it is."""
    text = (ROOT / "docs" / "document.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    report = load.check_text(text, name="document.md", directory=Path(), secrets=Secrets.IGNORED)
    assert (report.problems, report.warnings) == ((), ())


def test_the_devices_in_the_docs_are_right() -> None:
    """Each is a list of devices that can be pasted below `spec`; there is one for every driver."""
    text = (ROOT / "docs" / "fencing.md").read_text()
    examples = [part.partition("```")[0] for part in text.split("```yaml\n") if part.startswith("  fencingDevices:")]
    kinds = []
    for example in examples:
        (device,) = yaml.safe_load(example)["fencingDevices"]
        kinds += [key for key in FencingDevice.one_of if key in device]
        plug = ', plug: "1"' if "apcPdu" in device or "agent" in device else ""
        use = f"{{levels: [{{devices: [{{name: {device['name']}{plug}}}]}}]}}"
        nodes = f"[{{name: r1, address: 10.0.0.2, fencing: {use}}}, {{name: r2, address: 10.0.0.3}}]"
        document = f"{HEAD}spec:\n  splitBrain: {{policy: tolerate}}\n  nodes: {nodes}\n  groups: {GROUPS}\n{example}"
        assert load.check_text(document, name="fencing.md", directory=Path(), secrets=Secrets.IGNORED).problems == ()
    assert kinds == list(FencingDevice.one_of)


def test_the_settings_in_the_docs_about_servers_are_right() -> None:
    """Each example is a part of `spec` that can be pasted below its beginning."""
    text = (ROOT / "docs" / "servers.md").read_text()
    nodes = "  nodes: [{name: r1, address: 10.0.0.2}]\n"
    for block in (part.partition("```")[0] for part in text.split("```yaml\n")[1:]):
        service = "  virtualServices:\n    - ports: [80]\n" if block.lstrip().startswith("realServers:") else ""
        document = f"{HEAD}spec:\n{nodes}  groups: {GROUPS}\n{service}{block}"
        assert load.check_text(document, name="servers.md", directory=Path(), secrets=Secrets.IGNORED).problems == ()
