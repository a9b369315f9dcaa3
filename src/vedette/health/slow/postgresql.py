"""PostgreSQL, by pg8000: in its hands only the connection that we lend it."""

import contextlib

from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from vedette.health.slow.check import FailedError, Progress
from vedette.health.slow.lending import Loan, Secure
from vedette.health.slow.sql import Row, foreign
from vedette.spec.probes import Dialect, SqlProbe

_REFUSES_TLS = "Server refuses SSL"
_AUTHENTICATED = 0
_CODE, _MESSAGE = "C", "M"
"""Fields of an error (section 55.8 of PostgreSQL's documentation)."""


class _Connection(CoreConnection):  # type: ignore[misc]  # the library is untyped
    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: object) -> None:  # noqa: N802  # the library's name
        if self.password is None and int.from_bytes(data[:4]) != _AUTHENTICATED:
            raise FailedError("the server asks for a password")
        super().handle_AUTHENTICATION_REQUEST(data, context)


def first_row(probe: SqlProbe, loan: Loan, secure: Secure | None, progress: Progress) -> Row | None:
    """Log in and return the first row of the query, its values as the server writes them."""
    connection = None
    try:
        progress.stage = "while logging in"
        connection = _Connection(
            probe.username,
            database=probe.database,
            password=None if probe.password is None else probe.password.text,
            sock=loan.socket,
            ssl_context=False if secure is None else secure,
            application_name="vedette",
        )
        connection.pg_types.clear()  # no value is converted
        progress.stage = "while waiting for the row"
        rows = connection.execute_simple(probe.query).rows
        return rows[0] if rows else None
    except DatabaseError as error:
        raise _reason(error) from None
    except InterfaceError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        if _REFUSES_TLS in str(error):
            raise FailedError("the server does not offer TLS, or is not PostgreSQL") from None
        raise foreign(Dialect.POSTGRESQL) from None
    except (OSError, FailedError):
        raise
    except Exception:  # whatever the library trips over
        raise foreign(Dialect.POSTGRESQL) from None
    finally:
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


def _reason(error: DatabaseError) -> FailedError:
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    code, message = fields.get(_CODE), fields.get(_MESSAGE)
    return FailedError(f"error {code}: {message}") if code and message else foreign(Dialect.POSTGRESQL)
