"""One command over ssh: the host key must be known, and nothing of the user's own ssh set-up has a say."""

import asyncio
from dataclasses import dataclass

import asyncssh

from vedette.fencing.device import RefusedError, UnreachableError
from vedette.fencing.drivers.secrecy import clean
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import SshLogin

PATIENCE = 8 * SECOND
"""Until logged in (ns): the processors of old controllers take seconds for the key exchange."""
LARGEST = 64 << 10
"""Bytes of an answer that are kept."""

_REFUSALS = (
    asyncssh.HostKeyNotVerifiable,
    asyncssh.PermissionDenied,
    asyncssh.KeyImportError,
    asyncssh.KeyEncryptionError,
)
"""A person must act: the machine is another, or the login is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit status; None when its end was not heard of."""

    status: int | None
    output: str


async def command(login: SshLogin, text: str, *, patience: int = PATIENCE) -> Answer:
    """Log in, run one command, and wait ``patience`` (ns) for its end or for that of the connection.

    Raises :class:`RefusedError` when host key or login are refused, :class:`UnreachableError` when nobody answers.
    The connection is cut when the call is cancelled.
    """
    try:
        connection = await _connect(login)
    except _REFUSALS as error:
        raise RefusedError(f"ssh: {_reason(login, error)}") from None
    except TimeoutError:
        raise UnreachableError("ssh: nobody answers") from None
    except (asyncssh.Error, OSError, ValueError) as error:
        raise UnreachableError(f"ssh: {_reason(login, error)}") from None
    try:
        return await _run(connection, text, patience)
    except (asyncssh.Error, OSError) as error:
        raise UnreachableError(f"ssh: {_reason(login, error)}") from None
    finally:
        connection.abort()


async def _connect(login: SshLogin) -> asyncssh.SSHClientConnection:
    keys = None if login.key is None else [asyncssh.import_private_key(login.key.text)]
    return await asyncssh.connect(
        str(login.address),
        login.port,
        username=login.username,
        password=None if login.password is None else login.password.text,
        client_keys=keys,
        known_hosts=login.known_hosts_file,
        agent_path=None,
        config=None,
        connect_timeout=seconds(PATIENCE),
        login_timeout=seconds(PATIENCE),
    )


async def _run(connection: asyncssh.SSHClientConnection, text: str, patience: int) -> Answer:
    output = ""
    try:
        async with asyncio.timeout(seconds(patience)):
            run = await connection.create_process(
                text, stdin=asyncssh.DEVNULL, stderr=asyncssh.STDOUT, errors="replace"
            )
            while part := await run.stdout.read(4096):
                output = (output + str(part))[:LARGEST]
            await run.wait_closed()
            return Answer(run.exit_status, output)
    except (TimeoutError, asyncssh.ConnectionLost):
        return Answer(None, output)


def _reason(login: SshLogin, error: Exception) -> str:
    secrets = [secret.text for secret in (login.password, login.key) if secret is not None]
    return clean(str(error) or type(error).__name__, secrets)
