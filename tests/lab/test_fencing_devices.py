"""Fencing devices of a lab, asked by the tools that people use: `off` ends the machine, `on` boots it."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import kernel
from tests.lab.test_labs import processes_of, wait_for_end

from vedette.lab import derive, documents, home, simulators
from vedette.lab.guest import Power
from vedette.lab.lab import Lab

pytestmark = pytest.mark.lab

FENCED = Path(__file__).parent / "topologies" / "fenced.yaml"
SECRETS = "/etc/vedette/secrets"
RPDU2 = ".1.3.6.1.4.1.318.1.1.26.9"
UPS = ".1.3.6.1.4.1.318.1.1.1.12"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two routers with every kind of device; router2 lives on and asks, router1 is switched."""
    if (lack := kernel.missing()) is not None:
        pytest.skip(lack)
    if missing := simulators.lacking(derive.topology(documents.read(FENCED)[1]).devices):
        pytest.skip(f"needs {'; '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="labs-") as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv(home.PLACE, path)
        with Lab.up(FENCED, name="fenced") as lab:
            yield lab


@dataclass
class Client:
    """One machine's view of one device: a command for each of ``status``, ``off`` and ``on``."""

    lab: Lab

    def run(self, *argv: str, stdin: str = "", environment: dict[str, str] | None = None) -> str:
        done = self.lab.machines["router2"].run(argv, stdin=stdin, environment=environment, timeout=30)
        return done.out if done.code == 0 else f"failed with {done.code}: {done.out}{done.err}"

    def secret(self, name: str) -> str:
        return self.lab.machines["router2"].read(f"{SECRETS}/{name}").decode().strip()


class IpmiTool(Client):
    device = "bmc1"

    def order(self, word: str, *, password: str | None = None) -> str:
        command = ["ipmitool", "-I", "lanplus", "-C", "3", "-E", "-H", "10.0.0.100", "-U", "admin", "chassis", "power"]
        return self.run(*command, word, environment={"IPMITOOL_PASSWORD": password or self.secret("bmc")})


class Curl(Client):
    device = "idrac1"
    system = "https://10.9.0.11/redfish/v1/Systems/System.Embedded.1"

    def order(self, word: str, *, password: str | None = None) -> str:
        command = ["curl", "-sS", "--fail", "-m", "10", "--cacert", f"{SECRETS}/ca.pem"]
        command += ["-u", f"vedette:{password or self.secret('idrac')}"]
        if word == "status":
            answer = self.run(*command, self.system)
            return str(json.loads(answer)["PowerState"]) if answer.startswith("{") else answer
        body = json.dumps({"ResetType": {"off": "ForceOff", "on": "On"}[word]})
        target = f"{self.system}/Actions/ComputerSystem.Reset"
        return self.run(*command, "-H", "Content-Type: application/json", "-d", body, target)


class Racadm(Client):
    device = "racadm1"

    def order(self, word: str, *, password: str | None = None) -> str:
        command = ["ssh", "-o", f"UserKnownHostsFile={SECRETS}/known_hosts", "-o", "BatchMode=yes"]
        command += ["-i", f"{SECRETS}/key"] if password is None else ["-o", "PubkeyAuthentication=no"]
        order = {"status": "powerstatus", "off": "powerdown", "on": "powerup"}[word]
        return self.run(*command, "operator@10.9.0.12", f"racadm serveraction {order}")


CLIENTS = (IpmiTool, Curl, Racadm)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.device)
def test_off_ends_the_machine_and_on_boots_it(lab: Lab, client: type[IpmiTool | Curl | Racadm]) -> None:
    machine, device = lab.machines["router1"], client(lab)
    assert "on" in device.order("status").lower()
    device.order("off")
    assert machine.power is Power.OFF
    assert "off" in device.order("status").lower()
    device.order("on")
    assert machine.run(["true"]).code == 0
    assert "on" in device.order("status").lower()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.device)
def test_who_does_not_know_the_password_switches_nothing(lab: Lab, client: type[IpmiTool | Curl | Racadm]) -> None:
    assert client(lab).order("off", password="wrong").startswith("failed")
    assert lab.machines["router1"].alive


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.device)
def test_a_device_that_only_acknowledges_is_found_out_by_its_status(
    lab: Lab, client: type[IpmiTool | Curl | Racadm]
) -> None:
    lab.device(client.device).pretend()
    assert not client(lab).order("off").startswith("failed")
    assert "on" in client(lab).order("status").lower()
    lab.device(client.device).refuse()
    assert client(lab).order("off").startswith("failed")
    lab.device(client.device).recover()
    assert lab.machines["router1"].alive


def test_a_frozen_machine_is_switched_off_like_any_other(lab: Lab) -> None:
    machine = lab.machines["router1"]
    machine.freeze()
    assert "on" in IpmiTool(lab).order("status")
    IpmiTool(lab).order("off")
    assert machine.power is Power.OFF
    machine.power_on()


def test_a_device_that_has_vanished_does_not_answer(lab: Lab) -> None:
    lab.device("idrac1").vanish()
    assert Curl(lab).order("status").startswith("failed")
    assert lab.status()["devices"]["idrac1"] == "vanished"
    lab.device("idrac1").recover()


def test_a_machine_with_two_supplies_lives_until_both_outlets_are_off(lab: Lab) -> None:
    """One outlet over SNMP v3 with net-snmp's tools, the other by the fence agent."""
    machine, client = lab.machines["router1"], Client(lab)
    user = ["-v3", "-l", "authPriv", "-u", "vedette", "-a", "SHA", "-x", "AES"]
    user += ["-A", client.secret("auth"), "-X", client.secret("privacy")]
    client.run("snmpset", *user, "10.8.0.20", f"{RPDU2}.2.4.1.5.3", "i", "2")
    assert client.run("snmpget", "-Oqv", *user, "10.8.0.20", f"{RPDU2}.2.3.1.5.3") == "1\n"
    assert machine.alive
    assert "Powered OFF" in _agent(client, "off")
    assert machine.power is Power.OFF
    assert "Powered ON" in _agent(client, "on")
    client.run("snmpset", *user, "10.8.0.20", f"{RPDU2}.2.4.1.5.3", "i", "1")
    assert machine.run(["true"]).code == 0


def _agent(client: Client, action: str) -> str:
    options = f"ip=10.8.0.21\ncommunity={client.secret('apc')}\nplug=7\naction={action}\n"
    return client.run("/usr/sbin/fence_apc_snmp", stdin=options)


def test_an_outlet_that_does_not_exist_is_no_success(lab: Lab) -> None:
    client = Client(lab)
    community = ["-v1", "-c", client.secret("apc")]
    assert client.run("snmpget", *community, "10.8.0.21", ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.4.8").startswith("failed")


def test_a_group_of_outlets_of_a_ups_has_a_state(lab: Lab) -> None:
    client = Client(lab)
    community = ["-v2c", "-c", client.secret("apc")]
    assert client.run("snmpget", "-Oqv", *community, "10.8.0.22", f"{UPS}.1.2.1.3.1") == "1\n"


def test_a_machine_that_a_device_has_booted_runs_its_daemon_again(lab: Lab) -> None:
    lab.machines["router1"].spawn(["sleep", "1000"], log="/var/log/vedette/daemon.log", label="daemon")
    IpmiTool(lab).order("off")
    IpmiTool(lab).order("on")
    assert lab.daemon_pid("router1") is not None


def test_labs_with_the_same_devices_do_not_meet_and_a_killed_one_leaves_none_of_them(lab: Lab) -> None:
    with Lab.up(FENCED, name="other") as other:
        IpmiTool(other).order("off")
        assert other.machines["router1"].power is Power.OFF
        assert lab.machines["router1"].alive
        everything = processes_of(other.directory)
        os.kill(other.pid, signal.SIGKILL)
        for pid in everything:
            wait_for_end(pid)
    assert "on" in IpmiTool(lab).order("status")
