"""Checks of kind sql, against mariadb and postgresql."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.health.slow import daemons, hostile
from tests.health.slow.conftest import PASSWORD, USER, Certified, fresh
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import SHORT, Result, attempt, check
from tests.health.targets import target
from vedette.health.poller import Poller
from vedette.health.slow import kinds, threads
from vedette.health.slow.attempt import leftovers
from vedette.spec.probes import Dialect, Encryption, SqlProbe, TlsStart
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers

GOOD, WRONG = Secret(PASSWORD), Secret("falsch-0815 ß")
STARTTLS = Encryption(start=TlsStart.STARTTLS)
MYSQL = SqlProbe(Dialect.MYSQL, USER, GOOD)
POSTGRESQL = SqlProbe(Dialect.POSTGRESQL, USER, GOOD, database="shop")
BOTH = pytest.mark.parametrize("probe", [MYSQL, POSTGRESQL], ids=["mysql", "postgresql"])


@dataclass(frozen=True)
class Databases:
    mysql: int
    postgresql: int

    def port(self, probe: SqlProbe) -> int:
        return self.mysql if probe.dialect is Dialect.MYSQL else self.postgresql


@pytest.fixture(scope="session")
def databases(public: Path, certified: Certified) -> Iterator[Databases]:
    """Both servers, made and started at the same time."""
    ports = Databases(daemons.free_port(), daemons.free_port())
    with ExitStack() as servers, ThreadPoolExecutor() as starters:
        starts = [
            starters.submit(_mariadb, servers, public, certified, ports.mysql),
            starters.submit(_postgresql, servers, public, certified, ports.postgresql),
        ]
        for start in starts:
            start.result()
        yield ports


def _mariadb(servers: ExitStack, public: Path, certified: Certified, port: int) -> None:
    program, folder = daemons.needs("mariadbd"), fresh(public, "mariadb")
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    (folder / "start.sql").write_text(
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{quoted}';\n"
        "CREATE USER 'open'@'127.0.0.1';\n"
        "CREATE DATABASE shop CHARACTER SET utf8mb4;\nCREATE TABLE shop.state (name TEXT, value TEXT);\n"
        "INSERT INTO shop.state VALUES ('größe', 'ready'), ('b', NULL);\n"
        f"GRANT SELECT ON shop.* TO '{USER}'@'127.0.0.1', 'open'@'127.0.0.1';\n"
    )
    for name in ("server.pem", "server.key"):
        (folder / name).write_bytes((certified.folder / name).read_bytes())
    data = folder / "data"
    data.mkdir()
    for path in (folder, data, *folder.iterdir()):
        daemons.give(path, "mysql")
    common = ["--no-defaults", "--user=mysql", f"--datadir={data}"]
    tables = b"".join(
        Path("/usr/share/mysql", name).read_bytes()
        for name in ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
    )
    bootstrap = [program, *common, "--bootstrap", "--lc-messages-dir=/usr/share/mysql"]
    made = subprocess.run(bootstrap, input=b"create database mysql;\nuse mysql;\n" + tables, capture_output=True)
    assert made.returncode == 0, made.stderr[-2000:]
    command = [
        program,
        *common,
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        f"--init-file={folder}/start.sql",
        f"--ssl-cert={folder}/server.pem",
        f"--ssl-key={folder}/server.key",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=8M",
        "--performance-schema=OFF",
    ]
    servers.enter_context(daemons.running(command, folder, lambda: daemons.answers(port)))


def _postgresql(servers: ExitStack, public: Path, certified: Certified, port: int) -> None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not versions:
        pytest.skip("no postgresql: `make test` installs it")
    programs, folder = versions[-1], fresh(public, "postgresql")
    daemons.give(folder, "postgres")
    data = folder / "data"
    _as_postgres(str(programs / "initdb"), "-D", str(data), "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
    quoted = PASSWORD.replace("'", "''")
    statements = (
        f"SET standard_conforming_strings = on; CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'; CREATE ROLE open LOGIN;\n"
        "CREATE DATABASE shop;\n"
    )
    tables = (
        "CREATE TABLE state (name text, value text); INSERT INTO state VALUES ('größe', 'ready'), ('b', NULL);\n"
        f"GRANT SELECT ON state TO {USER};\n"
    )
    for database, text in (("postgres", statements), ("shop", tables)):
        single = [str(programs / "postgres"), "--single", "-j", "-D", str(data), database]
        for statement in text.replace("\n", " ").split(";"):
            if statement.strip():
                _as_postgres(*single, said=f"{statement};\n\n")
    for name in ("server.pem", "server.key"):
        (data / name).write_bytes((certified.folder / name).read_bytes())
        daemons.give(data / name, "postgres")
        (data / name).chmod(0o600)
    (data / "pg_hba.conf").write_text(f"host all open 127.0.0.1/32 trust\nhost all {USER} 127.0.0.1/32 scram-sha-256\n")
    options = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": "server.pem",
        "ssl_key_file": "server.key",
        "fsync": "off",
    }
    written = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", str(programs / "postgres")]
    probe = SqlProbe(Dialect.POSTGRESQL, "open", database="postgres")

    def ready() -> bool:
        return daemons.answers(port) and check(target(port=port, probe=probe)).passed

    servers.enter_context(daemons.running([*command, "-D", str(data), *written], folder, ready))


def _as_postgres(*command: str, said: str = "") -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command],
        input=said.encode(),
        capture_output=True,
        cwd="/",
        env={**os.environ, "HOME": "/"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"ERROR" not in done.stderr, done.stderr[-2000:]


class TestContractOfMySql(OverTcp):
    probe = MYSQL


class TestContractOfPostgreSql(OverTcp):
    probe = POSTGRESQL


class TestContractOfMySqlOverTls(OverTcp):
    probe = replace(MYSQL, tls=STARTTLS)


class TestContractOfPostgreSqlOverTls(OverTcp):
    probe = replace(POSTGRESQL, tls=STARTTLS)


def ask(databases: Databases, probe: SqlProbe) -> Result:
    result = check(target(port=databases.port(probe), probe=probe))
    for secret in (PASSWORD, "falsch-0815"):
        assert secret not in result.reason
        assert secret not in repr(probe)
    return result


@BOTH
def test_a_database_is_up(databases: Databases, certified: Certified, probe: SqlProbe) -> None:
    assert ask(databases, probe).reason == "query answered by a row"
    assert ask(databases, replace(probe, username="open", password=None, database="shop", query="SELECT 1")).passed
    signed = replace(STARTTLS, ca_file=certified.ca)
    assert ask(databases, replace(probe, tls=signed)).reason == "query answered by a row"


@BOTH
def test_a_row_is_compared_as_the_server_writes_it(databases: Databases, probe: SqlProbe) -> None:
    shop = replace(probe, database="shop")
    state = replace(shop, query="SELECT name, value FROM state ORDER BY value IS NULL")
    assert ask(databases, replace(state, expect="^größe\tready$")).reason == "the row matches"
    null = replace(shop, query="SELECT value FROM state WHERE name = 'b'")
    assert ask(databases, replace(null, expect="^NULL$")).passed
    assert ask(databases, replace(shop, query="SELECT 1.50, CURRENT_DATE", expect=r"^1\.50\t\d{4}-\d\d-\d\d$")).passed
    true = "^1$" if probe.dialect is Dialect.MYSQL else "^t$"
    assert ask(databases, replace(shop, query="SELECT 1 = 1", expect=true)).passed
    wrong = ask(databases, replace(state, expect="down"))
    assert not wrong.passed
    assert wrong.reason == "the row does not match: “größe ready”"


@BOTH
def test_what_a_database_says_against_a_check_is_the_reason(databases: Databases, probe: SqlProbe) -> None:
    shop = replace(probe, database="shop")
    reasons = {
        "password": ask(databases, replace(probe, password=WRONG)),
        "no password": ask(databases, replace(probe, password=None)),
        "database": ask(databases, replace(probe, database="gone")),
        "table": ask(databases, replace(shop, query="SELECT * FROM gone")),
        "empty": ask(databases, replace(shop, query="SELECT * FROM state WHERE name = 'c'")),
        "rights": ask(databases, replace(shop, query="DELETE FROM state")),
        "certificate": ask(databases, replace(probe, tls=STARTTLS)),
    }
    assert not any(result.passed for result in reasons.values())
    mine = probe.dialect is Dialect.MYSQL
    expected = {
        "password": ("error 1045: Access denied for user", "error 28P01: password authentication failed for user"),
        "no password": ("error 1045: Access denied for user", "the server asks for a password"),
        "database": ("error 1044: Access denied for user", 'error 3D000: database "gone" does not exist'),
        "table": ("error 1146: Table 'shop.gone' doesn't exist", 'error 42P01: relation "gone" does not exist'),
        "empty": ("the query gives no row",) * 2,
        "rights": ("error 1142: DELETE command denied", "error 42501: permission denied for table state"),
        "certificate": ("its certificate is signed by an unknown authority: name that as `caFile`",) * 2,
    }
    for name, (first, second) in expected.items():
        assert reasons[name].reason.startswith(first if mine else second), name


@BOTH
def test_an_answer_without_end_is_given_up(databases: Databases, probe: SqlProbe) -> None:
    query = "SELECT repeat('x', 300000)"
    result = ask(databases, replace(probe, query=query))
    assert not result.passed
    assert result.reason == "the answer is longer than 256 KiB"


def test_a_server_of_the_other_dialect_is_named(databases: Databases) -> None:
    crossed = Databases(databases.postgresql, databases.mysql)
    assert ask(crossed, replace(POSTGRESQL, tls=STARTTLS)).reason.endswith("is not PostgreSQL")
    assert not ask(crossed, POSTGRESQL).passed
    assert not check(target(port=databases.postgresql, probe=MYSQL), 300_000_000).passed


OK = b"\0\0\0\2\0\0\0"


def greeting(capabilities: int, plugin: bytes) -> bytes:
    """What a server of MySQL says first (HandshakeV10)."""
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    head = b"\x0a8.0.36\0\1\0\0\0saltsalt\0" + low + b"\x2d\2\0" + high + b"\x15" + bytes(10)
    return head + b"saltsaltsalt\0" + plugin + b"\0"


def test_mysql_without_tls_is_refused_before_anything_is_said() -> None:
    """The greeting (version 10) of a server that lacks CLIENT_SSL, or of somebody in between who has removed it."""
    said = greeting(0x0F_A20F, b"mysql_clear_password")  # CLIENT_SSL would be 0x800
    heard = b""

    async def greeting_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(len(said).to_bytes(3, "little") + b"\0" + said)
        heard = await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(greeting_only) as port:
            return await attempt(target(port=port, probe=replace(MYSQL, tls=STARTTLS)))

    assert asyncio.run(scenario()).reason == "the server does not offer TLS"
    assert heard == b""


def test_postgresql_without_tls_is_refused_before_anything_is_said() -> None:
    heard = b""

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readexactly(8)
        writer.write(b"N")
        heard += await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(refusing) as port:
            return await attempt(target(port=port, probe=replace(POSTGRESQL, tls=STARTTLS)))

    assert asyncio.run(scenario()).reason == "the server does not offer TLS, or is not PostgreSQL"
    assert heard == bytes.fromhex("0000000804d2162f"), "SSLRequest"


@BOTH
def test_many_hung_databases_leave_no_thread(probe: SqlProbe) -> None:
    taken = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        await reader.read()

    async def scenario() -> None:
        async with hostile.tcp(silent) as port:
            checks = [kinds.prepare(target(port=port, probe=probe)) for _ in range(50)]
            over: list[str] = []
            poller = Poller(asyncio.get_running_loop())
            attempts = [start(poller, lambda outcome, reason, /, **_: over.append(reason)) for start in checks]
            for one in attempts:
                one.begin()
            while taken < 50:
                await asyncio.sleep(0.001)
            for one in attempts:
                one.expire("100ms")
            while threads.abandoned or leftovers:
                await asyncio.sleep(0.001)
            poller.close()
            assert len(over) == 50
            assert all(reason.startswith("no answer in 100ms") for reason in over)

    asyncio.run(scenario())


def test_mysql_gets_no_file_of_this_machine() -> None:
    """LOAD DATA LOCAL: the answer to any query may be to ask the client for one of its files."""
    capabilities = 0x8F_A20F  # with CLIENT_LOCAL_FILES
    heard: list[bytes] = []

    def packet(number: int, content: bytes) -> bytes:
        return len(content).to_bytes(3, "little") + bytes((number,)) + content

    async def heard_packet(reader: asyncio.StreamReader) -> None:
        heard.append(await reader.readexactly(int.from_bytes((await reader.readexactly(4))[:3], "little")))

    async def curious(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, greeting(capabilities, b"mysql_native_password")))
        await heard_packet(reader)
        writer.write(packet(2, OK))
        await heard_packet(reader)  # SET NAMES
        writer.write(packet(1, OK))
        await heard_packet(reader)
        writer.write(packet(1, b"\xfb/etc/hostname"))
        heard.append(await reader.read())

    async def scenario() -> Result:
        async with hostile.tcp(curious) as port:
            return await attempt(target(port=port, probe=MYSQL))

    assert asyncio.run(scenario()).reason == "not MySQL"
    assert heard[2:] == [b"\3SELECT 1", b"\1\0\0\0\1"], "the query, and COM_QUIT"


@pytest.mark.parametrize("kind", [b"mysql_clear_password", b"dialog"])
def test_mysql_gives_no_password_in_clear_without_tls(kind: bytes) -> None:
    """Any server may ask for one, one that has taken the place of the real one too."""
    heard = b""

    def packet(number: int, content: bytes) -> bytes:
        return len(content).to_bytes(3, "little") + bytes((number,)) + content

    async def curious(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(packet(0, greeting(0x8F_A20F, b"mysql_native_password")))
        await reader.readexactly(int.from_bytes((await reader.readexactly(4))[:3], "little"))
        writer.write(packet(2, b"\xfe" + kind + b"\0\2Password: "))
        heard = await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(curious) as port:
            return await attempt(target(port=port, probe=MYSQL))

    result = asyncio.run(scenario())
    assert result.reason == "the server wants the password in clear: write `tls: starttls`"
    assert MYSQL.password is not None
    assert MYSQL.password.text.encode() not in heard


def test_a_server_that_hangs_in_the_handshake_of_tls_is_given_up() -> None:
    async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(hanging) as port:
            return await attempt(target(port=port, probe=replace(POSTGRESQL, tls=STARTTLS)), SHORT)

    assert asyncio.run(scenario()).reason == "no answer in 150ms while logging in"
