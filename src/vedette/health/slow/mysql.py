"""MySQL and MariaDB, by PyMySQL: in its hands only the connection that we lend it, and no file of this machine."""

import contextlib

import pymysql
from pymysql.constants import CR

from vedette.health.slow.check import FailedError, Progress
from vedette.health.slow.lending import Loan, Secure
from vedette.health.slow.sql import Row, foreign
from vedette.spec.probes import Dialect, SqlProbe

_LOST = frozenset({CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR})
_IN_CLEAR = ("mysql_clear_password", "dialog")
"""Kinds of login that send the password as it is, to any server that asks for one."""
_CLIENT = range(2000, 3000)
"""Numbers of errors that are not the server's."""


class _Refusal:
    """In the place of a kind of login that we do not give."""

    def __init__(self, connection: object) -> None:
        """As the library makes one."""

    def authenticate(self, packet: object) -> None:
        raise FailedError("the server wants the password in clear: write `tls: starttls`")


def first_row(probe: SqlProbe, loan: Loan, secure: Secure | None, progress: Progress) -> Row | None:
    """Log in and return the first row of the query, its values as the server writes them."""
    in_clear = {} if secure is not None else dict.fromkeys(_IN_CLEAR, _Refusal)
    connection = pymysql.Connection(
        user=probe.username,
        password=b"" if probe.password is None else probe.password.text.encode(),  # a text it would take for Latin-1
        database=probe.database,
        ssl_disabled=True,  # else the library would take what TLS it gets, unverified
        autocommit=None,  # the server's default
        local_infile=False,
        conv={},  # no value is converted
        program_name="vedette",
        auth_plugin_map=in_clear,
        defer_connect=True,
    )
    if secure is not None:
        connection.ssl = connection._ssl_required = True  # and never without: tests/health/slow/test_sql.py sees to it
        connection.ctx = secure
    try:
        progress.stage = "while logging in"
        connection.connect(loan.socket)
        progress.stage = "while waiting for the row"
        cursor = connection.cursor()
        cursor.execute(probe.query)
        row: Row | None = cursor.fetchone()
        return row
    except pymysql.MySQLError as error:
        raise _reason(error) from None
    except (OSError, FailedError):
        raise
    except Exception:  # whatever the library trips over
        raise foreign(Dialect.MYSQL) from None
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def _reason(error: pymysql.MySQLError) -> Exception:
    """What the server says, or what happened to the connection."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, OSError):
        return cause
    number, words = error.args if len(error.args) == 2 else (0, "")
    if number in _LOST:
        return FailedError("connection closed in the middle of an answer, or not MySQL")
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return FailedError("the server does not offer TLS")
    if number == CR.CR_AUTH_PLUGIN_CANNOT_LOAD:
        return FailedError(f"the server wants a login of a kind that we do not know: {words}")
    if not number or number in _CLIENT:
        return foreign(Dialect.MYSQL)
    return FailedError(f"error {number}: {words}")
