"""What somebody writes where the name of a secret's file belongs is not repeated in any fault."""

from pathlib import Path

import pytest

from vedette.spec import load
from vedette.spec.load import Secrets

PLACES = [
    "auth: {}",
    "auth: {{keys: {}}}",
    "auth: {{keys: [{}]}}",
    "auth: {{keys: [{{secretFile: [{}]}}]}}",
    "checks: [{{name: a, redis: {{password: {}}}}}]",
    "checks: [{{name: a, redis: {{password: {{secretFile: {{file: {}}}}}}}}}]",
    "checks: [{{name: a, radius: {{secret: {}}}}}]",
    "checks: [{{name: a, http: {{headers: [{}]}}}}]",
    "checks: [{{name: a, http: {{headers: {{Authorization: [{}]}}}}}}]",
    "checks: [{{name: a, exec: {{command: [/bin/true], environment: {{PASSWORD: [{}]}}}}}}]",
    "checks: [{{name: a, exec: {{command: [/bin/true], environment: {}}}}}]",
    "fencingDevices: [{{name: a, redfish: {{url: 'https://admin:{}@[bmc', username: a, password: {{}}}}}}]",
    "fencingDevices: [{{name: a, redfish: {{url: 'ftp://admin:{}@bmc', username: a, password: {{}}}}}}]",
    "fencingDevices: [{{name: a, redfish: {{url: 'https://bmc', username: a, password: {}}}}}]",
    "fencingDevices: [{{name: a, apcPdu: {{address: 10.0.0.1, community: {}}}}}]",
    "fencingDevices: [{{name: a, apcPdu: {{address: 10.0.0.1, username: a, authPassword: {}}}}}]",
    "fencingDevices: [{{name: a, agent: {{agent: fence_x, options: {{password: {}}}}}}}]",
    "fencingDevices: [{{name: a, agent: {{agent: fence_x, options: {{password: [{}]}}}}}}]",
    "fencingDevices: [{{name: a, agent: {{agent: fence_x, options: {{passwd: {}}}}}}}]",
]
SECRETS = ["hunter2secret", "4711471147"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_the_wrong_place_is_in_no_fault(place: str, secret: str, tmp_path: Path) -> None:
    text = f"""\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {{name: web}}
spec:
  nodes: [{{name: router1, address: 10.0.0.2}}]
  groups: [{{addresses: [{{address: 203.0.113.80/24}}]}}]
  {place.format(secret)}
"""
    report = load.check_bytes(text.encode(), name="cluster.yaml", directory=tmp_path, secrets=Secrets.REQUIRED)
    assert report.problems
    assert secret not in "".join(map(str, [*report.problems, *report.warnings]))
