"""What fencing devices are logged into with: read from files that only their owner may read, never quoted."""

from pathlib import Path

import pytest
from tests.health import daemons
from tests.spec.documents import document

from vedette.spec import load
from vedette.spec.load import Problems, Report, Secrets
from vedette.spec.resolved import Agent, Ipmi, Redfish, Secret, Snmp, SnmpVersion

SECRET = "geheim-4711"
NODES = (
    '[{name: r1, address: 10.0.0.2, fencing: {levels: [{devices: [{name: one, plug: "1"}]}]}},'
    ' {name: r2, address: 10.0.0.3, fencing: {levels: [{devices: [{name: one, plug: "2"}]}]}}]'
)
OWN = (
    "[{name: r1, address: 10.0.0.2, fencing: {levels: [{devices: [{name: one}]}]}},"
    " {name: r2, address: 10.0.0.3}, {name: w, address: 10.0.0.4, role: witness}]"
)
REDFISH = "{redfish: {url: 'https://10.9.0.1/', username: u, password: {secretFile: bmc}, caFile: ca.pem}}"


def write(folder: Path, device: str, *, nodes: str = OWN, **contents: str) -> Path:
    key = folder / "cluster.key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    for name, content in {"bmc": SECRET + "\n", "ca.pem": "certificate", **contents}.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    key.chmod(0o600)
    path = folder / "cluster.yaml"
    lines = f"auth: {{keys: [{{secretFile: cluster.key}}]}}\nfencingDevices: [{{name: one, {device[1:]}]"
    path.write_text(document(lines, nodes=nodes))
    return path


def check(path: Path, secrets: Secrets = Secrets.REQUIRED) -> Report:
    return load.check(path, secrets=secrets)


def test_a_secret_is_read_beside_the_document_and_not_shown(tmp_path: Path) -> None:
    spec = load.load(write(tmp_path, REDFISH))
    (device,) = spec.fencing_devices
    assert device.driver == Redfish(
        "https://10.9.0.1", "u", Secret(SECRET), ca_file=str(tmp_path / "ca.pem"), insecure=False
    )
    assert SECRET not in repr(spec)
    assert SECRET not in str(device)


def test_the_files_of_devices_are_told_to_who_watches_or_copies_them(tmp_path: Path) -> None:
    report = check(write(tmp_path, REDFISH), Secrets.IGNORED)
    assert report.key_files == tuple(tmp_path / name for name in ("cluster.key", "bmc", "ca.pem"))
    assert report.spec is not None
    driver = report.spec.fencing_devices[0].driver
    assert isinstance(driver, Redfish)
    assert driver.password == Secret("")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_secret_that_others_may_read_is_refused_by_all(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, REDFISH)
    (tmp_path / "bmc").chmod(mode)
    for secrets in (Secrets.REQUIRED, Secrets.IF_PRESENT):
        (problem,) = check(path, secrets).problems
        assert problem.remedy == f"chmod 600 {tmp_path}/bmc"
        assert problem.path == "spec.fencingDevices[0].redfish.password.secretFile"


def test_a_certificate_may_be_read_but_not_changed_by_others(tmp_path: Path) -> None:
    path = write(tmp_path, REDFISH)
    (tmp_path / "ca.pem").chmod(0o644)
    assert check(path).problems == ()
    (tmp_path / "ca.pem").chmod(0o666)
    (problem,) = check(path).problems
    assert problem.remedy == f"chmod 644 {tmp_path}/ca.pem"


def test_a_missing_secret_stops_the_daemon_and_warns_the_validator(tmp_path: Path) -> None:
    path = write(tmp_path, REDFISH)
    (tmp_path / "bmc").unlink()
    with pytest.raises(Problems, match="does not exist"):
        load.load(path)
    report = check(path, Secrets.IF_PRESENT)
    assert report.spec is not None
    assert any("does not exist" in warning.message for warning in report.warnings)


@pytest.mark.parametrize("content", ["", "\n", f"{SECRET}\nanother line", f"{SECRET}\r\noption=1"])
def test_a_secret_is_one_line_and_never_quoted(tmp_path: Path, content: str) -> None:
    (problem,) = check(write(tmp_path, REDFISH, bmc=content)).problems
    assert "secret" in problem.message
    assert SECRET not in str(problem)


def test_a_secret_too_long_for_ipmi_is_refused(tmp_path: Path) -> None:
    device = "{ipmi: {address: 10.9.0.1, username: u, password: {secretFile: bmc}}}"
    (problem,) = check(write(tmp_path, device, bmc="x" * 21)).problems
    assert "too many bytes" in problem.message
    spec = load.load(write(tmp_path, device))
    driver = spec.fencing_devices[0].driver
    assert isinstance(driver, Ipmi)
    assert driver.cipher is None


def test_the_secrets_of_an_agent_are_its_options(tmp_path: Path) -> None:
    device = "{agent: {program: fence_apc_snmp, options: {ip: 10.9.0.1}, secretFiles: {community: bmc}}}"
    spec = load.load(write(tmp_path, device, nodes=NODES))
    driver = spec.fencing_devices[0].driver
    assert driver == Agent("fence_apc_snmp", {"ip": "10.9.0.1"}, {"community": Secret(SECRET)})
    assert spec.policy.value == "fence"
    assert [node.fencing.levels[0][0].plug for node in spec.nodes if node.fencing] == ["1", "2"]


def test_an_agent_that_shows_its_secret_is_warned_about(tmp_path: Path) -> None:
    device = "{agent: {program: fence_apc_snmp, options: {ip: 10.9.0.1}, secretFiles: {community: bmc}}}"
    warnings = check(write(tmp_path, device, nodes=NODES)).warnings
    assert ["apcPdu" in warning.remedy for warning in warnings] == [True]


def test_snmp_v3_is_what_a_username_means(tmp_path: Path) -> None:
    device = "{apcPdu: {address: 10.9.0.1, username: u, authPassword: {secretFile: bmc}, authProtocol: sha256}}"
    driver = load.load(write(tmp_path, device, nodes=NODES)).fencing_devices[0].driver
    assert isinstance(snmp := getattr(driver, "snmp", None), Snmp)
    assert (snmp.version, snmp.auth_password, snmp.privacy_password) == (SnmpVersion.V3, Secret(SECRET), None)


def test_authorities_that_are_none_are_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, REDFISH)
    assert any("holds no certificate" in warning.message for warning in check(path).warnings)
    daemons.certificates(tmp_path)
    assert not any("holds no certificate" in warning.message for warning in check(path).warnings)


@pytest.mark.parametrize(
    "device",
    [
        "{apcPdu: {address: 10.9.0.1, community: {secretFile: bmc}}}",
        "{apcPdu: {address: 10.9.0.1, username: u, authPassword: {secretFile: bmc}}}",
        "{apcUps: {address: 10.9.0.1, username: u, authPassword: {secretFile: k}, privacyPassword: {secretFile: bmc}}}",
    ],
)
def test_an_snmp_secret_that_could_never_be_sent_is_refused(tmp_path: Path, device: str) -> None:
    found = check(write(tmp_path, device, nodes=NODES, bmc="pässwörd€-42")).problems
    assert [problem.message for problem in found if "ASCII" in problem.message] != []
    assert "42" not in str(found)
