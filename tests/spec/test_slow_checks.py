"""Checks of the slow lane in the document: every kind with all its keys, its defaults, and its secrets."""

import json
from pathlib import Path
from typing import get_args

import pytest
from tests.spec.documents import document, faults

from vedette.kit import plain
from vedette.spec import load, probes
from vedette.spec.load import Problems
from vedette.spec.probes import (
    Account,
    Arguments,
    Depth,
    Dialect,
    DialogueProbe,
    DnsProbe,
    Encryption,
    ExecProbe,
    FileProbe,
    FixedProbe,
    FtpProbe,
    GrpcProbe,
    ImapProbe,
    Lane,
    LdapProbe,
    NntpProbe,
    NtpProbe,
    Pop3Probe,
    ProcessProbe,
    RadiusProbe,
    RedisProbe,
    Role,
    SipProbe,
    SlowProbe,
    SmtpProbe,
    SqlProbe,
    Step,
    SystemdProbe,
    TlsStart,
    Transport,
    lane,
)
from vedette.spec.resolved import Probe
from vedette.spec.secret import Secret

SECRET = "geheim-4711"
KARL = "username: karl, password: {secretFile: karl}"
ACCOUNT = Account("karl", Secret(SECRET))
CASES: list[tuple[str, SlowProbe]] = [
    ("dns: {}", DnsProbe(".", "NS")),
    ("dns: {name: www.example.org}", DnsProbe("www.example.org", "A")),
    (
        "dns: {name: example.org, type: MX, expect: 10 mail.example.org, transport: tcp}",
        DnsProbe("example.org", "MX", "10 mail.example.org", Transport.TCP),
    ),
    ("smtp: {}", SmtpProbe()),
    (
        f"smtp: {{helo: router1, tls: starttls, serverName: mail.example.org, caFile: ca.pem, {KARL}}}",
        SmtpProbe(
            "router1",
            Encryption(start=TlsStart.STARTTLS, server_name="mail.example.org", ca_file="{folder}/ca.pem"),
            ACCOUNT,
        ),
    ),
    (
        f"imap: {{tls: implicit, verify: false, {KARL}}}",
        ImapProbe(Encryption(start=TlsStart.IMPLICIT, verify=False), ACCOUNT),
    ),
    (f"pop3: {{{KARL}}}", Pop3Probe(None, ACCOUNT)),
    ("ftp: {path: /state, expect: ok}", FtpProbe(path="/state", expect="ok")),
    ("nntp: {group: comp.lang.c}", NntpProbe(group="comp.lang.c")),
    ("sip: {}", SipProbe()),
    (
        "sip: {username: karl, status: [200, 400-499], transport: tcp}",
        SipProbe("karl", ((200, 200), (400, 499)), Transport.TCP),
    ),
    ("ntp: {maxStratum: 3}", NtpProbe(3)),
    ('dialogue: {steps: [{expect: "^hi"}, {send: "bye\\n"}]}', DialogueProbe((Step(expect="^hi"), Step(send="bye\n")))),
    ("exec: {command: [/bin/check, -v]}", ExecProbe(("/bin/check", "-v"))),
    (
        "exec: {command: [/bin/check], arguments: ldirectord, dynamicWeight: true, user: www-data, "
        "environment: {LEVEL: deep}, secretFiles: {TOKEN: karl}}",
        ExecProbe(
            ("/bin/check",), "www-data", Arguments.LDIRECTORD, True, (("LEVEL", "deep"),), (("TOKEN", Secret(SECRET)),)
        ),
    ),
    ("file: {path: state/ready, expect: ok}", FileProbe("{folder}/state/ready", "ok")),
    (
        "file: {path: '/run/{address}.weight', dynamicWeight: true}",
        FileProbe("/run/{address}.weight", dynamic_weight=True),
    ),
    ("process: haproxy", ProcessProbe("haproxy")),
    ("systemd: nginx", SystemdProbe("nginx.service")),
    ("systemd: backup.timer", SystemdProbe("backup.timer")),
    ("fixed: down", FixedProbe(False)),
    ("ldap: {}", LdapProbe()),
    (
        f'ldap: {{tls: starttls, caFile: ca.pem, base: "dc=example,dc=org", filter: (uid=karl), {KARL}}}',
        LdapProbe(
            Encryption(start=TlsStart.STARTTLS, ca_file="{folder}/ca.pem"),
            ACCOUNT,
            "dc=example,dc=org",
            "(uid=karl)",
            Depth.SUBTREE,
        ),
    ),
    ('ldap: {base: "dc=example,dc=org", scope: one}', LdapProbe(base="dc=example,dc=org", depth=Depth.ONE)),
    (f"sql: {{dialect: mysql, {KARL}}}", SqlProbe(Dialect.MYSQL, "karl", Secret(SECRET))),
    (
        "sql: {dialect: postgresql, username: karl, database: shop, query: SHOW x, expect: ^1$, tls: starttls, "
        "verify: false}",
        SqlProbe(
            Dialect.POSTGRESQL, "karl", None, "shop", "SHOW x", "^1$", Encryption(start=TlsStart.STARTTLS, verify=False)
        ),
    ),
    ("redis: {}", RedisProbe()),
    (
        "redis: {tls: implicit, serverName: db, password: {secretFile: karl}, role: master}",
        RedisProbe(Encryption(server_name="db"), None, Secret(SECRET), Role.MASTER),
    ),
    (f"redis: {{role: replica, {KARL}}}", RedisProbe(None, "karl", Secret(SECRET), Role.REPLICA)),
    ("radius: {secret: {secretFile: karl}}", RadiusProbe(Secret(SECRET))),
    (f"radius: {{secret: {{secretFile: karl}}, {KARL}}}", RadiusProbe(Secret(SECRET), ACCOUNT)),
    ("grpc: {}", GrpcProbe()),
    ("grpc: {service: shop.Basket, tls: implicit}", GrpcProbe("shop.Basket", Encryption())),
]


def write(folder: Path, check: str) -> Path:
    for name, content in (("cluster.key", "0123456789abcdef" * 2), ("karl", SECRET + "\n"), ("ca.pem", "certificate")):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    path = folder / "cluster.yaml"
    service = (
        f"{{addresses: [public], ports: [25, 53/udp], checks: [{{{check}}}, {{use: x}}], realServers: "
        "[{address: 10.0.0.11}]}"
    )
    lines = (
        f"auth: {{keys: [{{secretFile: cluster.key}}]}}\nchecks: [{{name: x, {check}}}]\nvirtualServices: [{service}]"
    )
    path.write_text(document(lines))
    return path


@pytest.mark.parametrize(("written", "meant"), CASES, ids=[written for written, _ in CASES])
def test_a_check_means_what_it_says_in_place_and_by_name(tmp_path: Path, written: str, meant: SlowProbe) -> None:
    spec = load.load(write(tmp_path, written))
    own, named = spec.virtual_services[0].checks
    wanted = json.loads(json.dumps(plain.dump(meant)).replace("{folder}", str(tmp_path)))
    assert own.probe == named.probe == plain.load(type(meant), wanted)
    assert plain.load(Probe, json.loads(json.dumps(plain.dump(own.probe)))) == own.probe  # type: ignore[arg-type]
    assert SECRET not in repr(spec)
    assert lane(own.probe) is (Lane.PROGRAMS if isinstance(meant, ExecProbe | SystemdProbe) else Lane.SLOW)


def test_every_kind_has_its_case() -> None:
    assert {type(meant) for _, meant in CASES} == set(get_args(probes.SlowProbe)) - _OF_OTHERS


_OF_OTHERS: set[type] = set()
"""Kinds that have their cases elsewhere."""


def test_the_secret_of_a_check_must_be_its_owners_alone(tmp_path: Path) -> None:
    path = write(tmp_path, f"smtp: {{{KARL}}}")
    (tmp_path / "karl").chmod(0o644)
    with pytest.raises(Problems) as raised:
        load.load(path)
    places = [problem.path for problem in raised.value.problems]
    assert places == [
        "spec.checks[0].smtp.password.secretFile",
        "spec.virtualServices[0].checks[0].smtp.password.secretFile",
    ]
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("check", "key"),
    [
        ("fixed: up, port: 80", "port"),
        ("process: haproxy, address: 10.0.0.99", "address"),
        ("systemd: nginx, port: 80", "port"),
        ("file: {path: /x}, sourceAddress: 10.0.0.2", "sourceAddress"),
        ("exec: {command: [/bin/true]}, firewallMark: 7", "firewallMark"),
    ],
)
def test_where_a_check_goes_is_refused_of_one_that_goes_nowhere(check: str, key: str) -> None:
    found = faults(document(f"checks: [{{name: x, {check}}}]"))
    assert found == [f"spec.checks[0].{key}: `{key}` means nothing to this kind of check"]
