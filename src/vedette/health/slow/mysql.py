"""MySQL and MariaDB, by PyMySQL: in its hands only the connection that we lend it, and no file of this machine."""

import contextlib

import pymysql
from pymysql.constants import CR

from vedette.health.slow.check import FailedError, Progress
from vedette.health.slow.lending import Loan, Secure
from vedette.health.slow.sql import Row, foreign
from vedette.spec.probes import Dialect, SqlProbe

_LOST = frozenset({CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR})
_CLIENT = range(CR.CR_MIN_ERROR, CR.CR_MAX_ERROR + 1)
"""Numbers of errors that are not the server's."""


def first_row(probe: SqlProbe, loan: Loan, secure: Secure | None, progress: Progress) -> Row | None:
    """Log in and return the first row of the query, its values as the server writes them."""
    connection = pymysql.Connection(
        user=probe.username,
        password=b"" if probe.password is None else probe.password.text.encode(),  # a text it would take for Latin-1
        database=probe.database,
        ssl_disabled=secure is None,
        autocommit=None,  # the server's default
        local_infile=False,
        conv={},  # no value is converted
        program_name="vedette",
        defer_connect=True,
    )
    if secure is not None:
        connection.ssl, connection._ssl_required, connection.ctx = True, True, secure
    try:
        progress.stage = "while logging in"
        connection.connect(loan.socket)
        progress.stage = "while waiting for the row"
        with contextlib.closing(connection.cursor(pymysql.cursors.SSCursor)) as cursor:
            cursor.execute(probe.query)
            row: Row | None = cursor.fetchone()
        return row
    except pymysql.MySQLError as error:
        raise _reason(error, secure) from None
    except (OSError, FailedError):
        raise
    except Exception:  # whatever the library trips over
        raise foreign(Dialect.MYSQL) from None
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def _reason(error: pymysql.MySQLError, secure: Secure | None) -> Exception:
    """What the server says, or what happened to the connection."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, OSError):
        return cause
    match error.args:
        case (int(number), str()) if number in _LOST:
            return FailedError("connection closed in the middle of an answer, or no MySQL")
        case (int(CR.CR_SSL_CONNECTION_ERROR), str()):
            return FailedError("the server does not offer TLS")
        case (int(number), str(words)) if number and number not in _CLIENT:
            return FailedError(f"error {number}: {words}")
        case (int(number), str(words)) if number == CR.CR_AUTH_PLUGIN_CANNOT_LOAD:
            return FailedError(words)
    return foreign(Dialect.MYSQL)
