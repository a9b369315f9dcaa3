"""The ways of SNMP v3 to prove who asks and to hide what is asked, against net-snmp's agent."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator

import pytest
from tests.fencing import benches, machines

from vedette.fencing.device import Power, RefusedError
from vedette.fencing.drivers import build
from vedette.spec.resolved import ApcPdu, FencingDevice, Secret, Snmp, SnmpAuth, SnmpPrivacy, SnmpVersion

pytestmark = [
    pytest.mark.fencing,
    pytest.mark.skipif(os.geteuid() != 0, reason="as the other tests of simulators"),
    pytest.mark.skipif(shutil.which("snmpget") is None, reason="`make test` installs the simulators"),
]
WAYS: list[tuple[SnmpAuth, str, SnmpPrivacy | None, str]] = [
    (SnmpAuth.MD5, "MD5", SnmpPrivacy.DES, "DES"),
    (SnmpAuth.SHA, "SHA", None, ""),
    (SnmpAuth.SHA, "SHA", SnmpPrivacy.AES, "AES"),
    (SnmpAuth.SHA, "SHA", SnmpPrivacy.AES192, "AES-192-C"),
    (SnmpAuth.SHA256, "SHA-256", SnmpPrivacy.AES, "AES"),
    (SnmpAuth.SHA512, "SHA-512", SnmpPrivacy.AES256, "AES-256-C"),
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An agent with a user for each of :data:`WAYS`."""
    folder = tmp_path_factory.mktemp("snmpd")
    number = machines.free_port(socket.SOCK_DGRAM)
    for outlet in (1, 2, 3):
        machines.write(folder / f"outlet.{outlet}", "on")
    lines = [
        f"pass_persist .1.3.6.1.4.1.318.1.1 {sys.executable} -I {benches.SIMULATORS / 'apc.py'} {folder} rpdu",
        "rocommunity public 127.0.0.1",
    ]
    for index, (_, auth, _, privacy) in enumerate(WAYS):
        encrypted = f'{privacy} "{benches.PASSWORD}-p"' if privacy else ""
        lines += [f'createUser u{index} {auth} "{benches.PASSWORD}" {encrypted}']
        lines += [f"rwuser u{index} {'priv' if privacy else 'auth'}"]
    machines.write(folder / "snmpd.conf", "\n".join(lines) + "\n")
    with benches.agent(folder, number, "public"):
        yield number


def device(port: int, username: str, auth: SnmpAuth, privacy: SnmpPrivacy | None) -> FencingDevice:
    snmp = Snmp(
        benches.LOCAL,
        port,
        SnmpVersion.V3,
        username=username,
        auth_password=Secret(benches.PASSWORD),
        auth_protocol=auth,
        privacy_password=None if privacy is None else Secret(f"{benches.PASSWORD}-p"),
        privacy_protocol=privacy or SnmpPrivacy.AES,
    )
    return FencingDevice("bench", 1, ApcPdu(snmp))


@pytest.mark.parametrize("index", range(len(WAYS)), ids=[f"{auth}-{privacy or 'none'}" for _, auth, _, privacy in WAYS])
def test_every_way_of_v3_is_spoken(port: int, index: int) -> None:
    auth, _, privacy, _ = WAYS[index]
    assert asyncio.run(build(device(port, f"u{index}", auth, privacy)).status("1")) is Power.ON


def test_an_unknown_user_is_refused_at_once(port: int) -> None:
    with pytest.raises(RefusedError):
        asyncio.run(build(device(port, "nobody", SnmpAuth.SHA, None)).status("1"))
