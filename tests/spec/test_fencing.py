"""What the document's fencing means, and which policy follows from it. The mistakes are in ``cases/``."""

import pytest
from tests.spec.documents import check, document, faults, resolve

from vedette.kit.units import SECOND
from vedette.spec.resolved import ApcPdu, ApcTree, Fencing, FencingUse, Manual, SplitBrainPolicy, Ssh

PDU = "{name: pdu, offTimeout: 5s, apcPdu: {address: 10.9.0.20, community: {secretFile: apc}}}"


def node(number: int, plug: str = "", more: str = "") -> str:
    fencing = f'fencing: {{{more}levels: [{{devices: [{{name: pdu, plug: "{plug}"}}]}}]}}' if plug else "standby: false"
    return f"{{name: r{number}, address: 10.0.0.{number}, {fencing}}}"


def two(first: str, second: str, spec: str = "") -> str:
    return document(f"fencingDevices: [{PDU}]\n{spec}", nodes=f"[{first}, {second}]")


def test_levels_plugs_and_delay_are_resolved() -> None:
    spec = resolve(two(node(2, "1"), node(3, "2", "delay: 6s, ")))
    assert [n.fencing for n in spec.nodes] == [
        Fencing(0, ((FencingUse("pdu", "1"),),)),
        Fencing(6 * SECOND, ((FencingUse("pdu", "2"),),)),
    ]
    (device,) = spec.fencing_devices
    assert (device.name, device.timeout) == ("pdu", 5 * SECOND)
    assert isinstance(device.driver, ApcPdu)
    assert device.driver.tree is ApcTree.AUTO


def test_two_nodes_that_can_be_fenced_are_fenced_by_default() -> None:
    assert resolve(two(node(2, "1"), node(3, "2"))).policy is SplitBrainPolicy.FENCE


def test_what_is_written_wins_over_the_default() -> None:
    text = two(node(2, "1"), node(3, "2"), "splitBrain: {policy: tolerate}")
    assert resolve(text).policy is SplitBrainPolicy.TOLERATE
    assert any("no node is fenced" in warning.message for warning in check(text).warnings)


def test_a_witness_makes_it_a_majority_with_or_without_fencing() -> None:
    nodes = f"[{node(2, '1')}, {node(3, '2')}, {{name: w, address: 10.0.0.4, role: witness}}]"
    assert resolve(document(f"fencingDevices: [{PDU}]", nodes=nodes)).policy is SplitBrainPolicy.MAJORITY


def test_one_node_without_fencing_is_named() -> None:
    for spec in ("", "splitBrain: {policy: fence}"):
        (fault,) = faults(two(node(2, "1"), node(3), spec))
        assert "`r3` has no `fencing`" in fault


@pytest.mark.parametrize(("delay", "warned"), [("5s", True), ("5500ms", True), ("5501ms", False)])
def test_a_delay_must_outlast_the_slowest_device(delay: str, warned: bool) -> None:
    """5 s for the device and one interval of 500 ms (rule 27 of cluster.md)."""
    report = check(two(node(2, "1"), node(3, "2", f"delay: {delay}, ")))
    assert [warning.path for warning in report.warnings] == (["spec.nodes[1].fencing.delay"] if warned else [])


def test_a_node_with_two_power_supplies_uses_one_unit_twice_in_a_level() -> None:
    fencing = 'fencing: {levels: [{devices: [{name: pdu, plug: "3"}, {name: pdu, plug: "4"}]}]}'
    spec = resolve(two(node(2, "1"), f"{{name: r3, address: 10.0.0.3, {fencing}}}"))
    assert spec.nodes[1].fencing is not None
    assert spec.nodes[1].fencing.levels == ((FencingUse("pdu", "3"), FencingUse("pdu", "4")),)


def test_a_person_may_be_the_last_level_of_both() -> None:
    uses = "fencing: {levels: [{devices: [{name: person}]}]}"
    nodes = f"[{{name: r2, address: 10.0.0.2, {uses}}}, {{name: r3, address: 10.0.0.3, {uses}}}]"
    spec = resolve(document("fencingDevices: [{name: person, manual: {}}]", nodes=nodes))
    assert spec.fencing_devices[0].driver == Manual()


def test_ssh_has_a_command_by_default() -> None:
    device = (
        "{name: itself, ssh: {address: 10.0.0.2, username: root, privateKey: {secretFile: k}, knownHostsFile: hosts}}"
    )
    first = "{name: r2, address: 10.0.0.2, fencing: {levels: [{devices: [{name: itself}]}]}}"
    text = document(f"splitBrain: {{policy: tolerate}}\nfencingDevices: [{device}]", nodes=f"[{first}, {node(3)}]")
    driver = resolve(text).fencing_devices[0].driver
    assert isinstance(driver, Ssh)
    assert driver.command == "poweroff -f -f"
    assert any("is weak" in warning.message for warning in check(text).warnings)


AGENT = "{name: pdu, agent: {program: fence_x}}"
UPS = "{name: pdu, apcUps: {address: 10.9.0.21, community: {secretFile: ups}}}"
BMC = "{name: pdu, ipmi: {address: 10.9.0.11, username: u, password: {secretFile: bmc}}}"


@pytest.mark.parametrize(
    ("device", "first", "second", "shared"),
    [
        (PDU, "1", "2", False),
        (PDU, "1", "1", True),
        (AGENT, "1", "2", False),
        (AGENT, "1", "1", True),
        (AGENT, None, None, True),
        (AGENT, None, "1", True),
        (UPS, "1", "2", True),
        (UPS, None, None, True),
        (BMC, None, None, True),
    ],
)
def test_no_outlet_serves_two_nodes(device: str, first: str | None, second: str | None, shared: bool) -> None:
    uses = [f'{{name: pdu, plug: "{plug}"}}' if plug else "{name: pdu}" for plug in (first, second)]
    nodes = ", ".join(
        f"{{name: r{number}, address: 10.0.0.{number}, fencing: {{levels: [{{devices: [{use}]}}]}}}}"
        for number, use in enumerate(uses, start=2)
    )
    problems = faults(document(f"fencingDevices: [{device}]", nodes=f"[{nodes}]"))
    assert len(problems) == (1 if shared else 0), problems


def test_two_devices_at_one_address_are_a_slip() -> None:
    ipmi = "ipmi: {address: 10.9.0.11, username: u, password: {secretFile: bmc}}"
    nodes = ", ".join(
        f"{{name: r{number}, address: 10.0.0.{number}, fencing: {{levels: [{{devices: [{{name: bmc{number}}}]}}]}}}}"
        for number in (2, 3)
    )
    text = document(f"fencingDevices: [{{name: bmc2, {ipmi}}}, {{name: bmc3, {ipmi}}}]", nodes=f"[{nodes}]")
    assert faults(text) == ["spec.fencingDevices[1]: `bmc3` is at the address of `bmc2`"]
    assert faults(text.replace("10.9.0.11", "10.9.0.12", 1)) == []


def agent(options: str, secrets: str = "{}", program: str = "fence_virsh") -> str:
    """A document whose two nodes are two plugs of one agent."""
    device = f"{{name: pdu, agent: {{program: {program}, options: {options}, secretFiles: {secrets}}}}}"
    return document(f"fencingDevices: [{device}]", nodes=f"[{node(2, '1')}, {node(3, '2')}]")


@pytest.mark.parametrize("option", ["missing-as-off", "missing_as_off", "debug-file", "verbose-level", "uuid"])
def test_an_option_that_is_not_for_documents_is_refused_however_it_is_written(option: str) -> None:
    """Agents take `-` and `_` for the same."""
    (fault,) = faults(agent(f'{{ip: 10.9.0.20, {option}: "1"}}'))
    assert "is not for documents" in fault


def test_a_secret_is_one_with_dashes_as_well() -> None:
    (fault,) = faults(agent("{ip: 10.9.0.20, snmp-priv-passwd: geheim}"))
    assert "`snmp-priv-passwd` is a secret" in fault
    assert faults(agent("{ip: 10.9.0.20, password-script: /etc/x}")) == []


def test_an_option_is_written_once() -> None:
    (fault,) = faults(agent('{ip: 10.9.0.20, power-wait: "1", power_wait: "2"}'))
    assert "`power_wait` is written in another way, too" in fault
    (fault,) = faults(agent("{ip: 10.9.0.20, identity-file: x}", "{identity_file: key}"))
    assert "`identity-file` is in `secretFiles` too" in fault


@pytest.mark.parametrize(
    ("program", "remedy"),
    [
        ("fence_apc_snmp", "apcPdu"),
        ("fence_ipmilan", "ipmi"),
        ("fence_eaton_snmp", "hidepid"),
        ("fence_tripplite_snmp", "hidepid"),
        ("fence_ibmblade", "hidepid"),
        ("fence_vmware", "hidepid"),
        ("fence_virsh", None),
    ],
)
def test_agents_that_show_their_secret_are_warned_about(program: str, remedy: str | None) -> None:
    warnings = check(agent("{ip: 10.9.0.20}", "{password: x}", program)).warnings
    assert [remedy in warning.remedy for warning in warnings if remedy] == ([True] if remedy else [])
    assert len(warnings) == (1 if remedy else 0)


RED = "redfish: {url: '%s', username: u, password: {secretFile: s}}"
IPMI = "ipmi: {address: 10.9.0.11, username: u, password: {secretFile: s}}"
LAN = "agent: {program: fence_ipmilan, options: {%s: 10.9.0.11, username: u}, secretFiles: {password: s}}"
DRAC = "drac: {address: 10.9.0.11, username: u, password: {secretFile: s}, knownHostsFile: h}"


def controllers(first: str, second: str, *, both_of_one: bool = False) -> list[str]:
    """What is found when two nodes have a controller each, or one node has both."""
    ways = ["{name: one}", "{name: two}"]
    if both_of_one:
        uses = [f"levels: [{{devices: [{ways[0]}]}}, {{devices: [{ways[1]}]}}]", "levels: [{devices: [{name: hand}]}]"]
    else:
        uses = [f"levels: [{{devices: [{way}]}}, {{devices: [{{name: hand}}]}}]" for way in ways]
    nodes = [f"{{name: r{number}, address: 10.0.0.{number}, fencing: {{{use}}}}}" for number, use in enumerate(uses, 2)]
    devices = f"[{{name: one, {first}}}, {{name: two, {second}}}, {{name: hand, manual: {{}}}}]"
    return faults(document(f"fencingDevices: {devices}", nodes=f"[{', '.join(nodes)}]"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RED % "https://10.9.0.11", RED % "https://10.9.0.11:443/"),
        (RED % "https://BMC.example", RED % "https://bmc.example"),
        (RED % "https://[2001:db8::1]", RED % "https://[2001:db8:0::1]:443"),
        (RED % "https://10.9.0.11", IPMI),
        (IPMI, RED % "https://10.9.0.11:443"),
        (IPMI, DRAC),
        (IPMI, LAN % "ip"),
        (LAN % "ipaddr", RED % "https://10.9.0.11"),
        (LAN % "ip", LAN % "ip"),
        ("agent: {program: fence_x, options: {a-b: c}}", "agent: {program: fence_x, options: {a_b: c}}"),
    ],
)
def test_one_controller_of_two_nodes_is_a_slip_however_it_is_spoken_to(first: str, second: str) -> None:
    """It would switch off the wrong one of them."""
    (fault,) = controllers(first, second)
    assert "`two` is at the address of `one`" in fault


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RED % "https://10.9.0.11", RED % "https://10.9.0.11:8443"),
        (RED % "https://10.9.0.11:8000", IPMI),
        (RED % "https://10.9.0.12", IPMI),
        (IPMI, IPMI.replace("address", "port: 6230, address")),
        (LAN % "ip", LAN.replace("username", "ipport: '6230', username") % "ip"),
        ("agent: {program: fence_x, secretFiles: {token: a}}", "agent: {program: fence_x, secretFiles: {token: b}}"),
    ],
)
def test_controllers_that_share_a_host_or_nothing_are_two(first: str, second: str) -> None:
    assert controllers(first, second) == []


def test_a_node_may_speak_to_its_own_controller_in_two_ways() -> None:
    assert controllers(RED % "https://10.9.0.11", IPMI, both_of_one=True) == []


@pytest.mark.parametrize(
    ("user", "right"), [("vedette", True), ("u" * 32, True), ("u" * 33, False), ("\u00fcser", False)]
)
def test_a_user_of_snmp_v3_is_one_that_can_be_sent(user: str, right: bool) -> None:
    unit = f"{{name: pdu, apcPdu: {{address: 10.9.0.20, username: {user}, authPassword: {{secretFile: p}}}}}}"
    found = faults(document(f"fencingDevices: [{unit}]", nodes=f"[{node(2, '1')}, {node(3, '2')}]"))
    assert [fault.partition(": ")[0] for fault in found] == (
        [] if right else ["spec.fencingDevices[0].apcPdu.username"]
    )
