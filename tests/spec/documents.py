"""Documents, and what reading them says, for the tests of the spec."""

from pathlib import Path

from vedette.spec import load
from vedette.spec.load import Report, Secrets
from vedette.spec.resolved import ClusterSpec

HEAD = "apiVersion: vedette.dev/v1alpha1\nkind: HACluster\nmetadata: {name: t}\n"
NODES = "[{name: r1, address: 10.0.0.2}, {name: r2, address: 10.0.0.3}, {name: w, address: 10.0.0.4, role: witness}]"
GROUPS = "[{addresses: [{name: public, address: 203.0.113.80/24}, {name: gateway, address: 10.0.0.1/24}]}]"


def document(spec: str = "", *, nodes: str = NODES, groups: str = GROUPS) -> str:
    """Return a document that is right but for ``spec``, block style lines that are indented by two here."""
    lines = "".join(f"  {line}\n" for line in spec.strip("\n").split("\n")) if spec else ""
    return f"{HEAD}spec:\n  nodes: {nodes}\n  groups: {groups}\n{lines}"


def check(text: str) -> Report:
    return load.check_text(text, name="t.yaml", directory=Path(), secrets=Secrets.IGNORED)


def faults(text: str) -> list[str]:
    """Return ``path: message`` of every problem."""
    return [f"{problem.path}: {problem.message}" for problem in check(text).problems]


def resolve(text: str) -> ClusterSpec:
    report = check(text)
    assert not report.problems, report.problems
    assert report.spec is not None
    return report.spec
