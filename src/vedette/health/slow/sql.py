"""SQL: a login and a query that must give a row. Each dialect is a library, imported when first needed."""

import ssl
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

from vedette.health import reasons
from vedette.health.body import Matcher, TooCostlyError
from vedette.health.slow import tls
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.lending import Loan, Secure, lend
from vedette.spec.probes import Dialect, SqlProbe
from vedette.state.health import Target

Row = Sequence[str | bytes | None]
FirstRow = Callable[[SqlProbe, Loan, Secure | None, Progress], Row | None]
"""Logs in over a loan and returns the first row of the query, None when there is none. It blocks; raises ``OSError``,
:class:`FailedError` with what the server says, and anything else for what is none of the protocol."""

_NAMES = {Dialect.MYSQL: "MySQL", Dialect.POSTGRESQL: "PostgreSQL"}


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, SqlProbe)
    wanted = None if probe.expect is None else Matcher(probe.expect)
    first_row = cast(FirstRow, import_module(f"vedette.health.slow.{probe.dialect.value}").first_row)

    async def check(progress: Progress) -> Passed:
        security = probe.tls
        context = None if security is None else tls.context(security)

        def speak(loan: Loan) -> Row | None:
            secure = loan.secure(context, tls.name(security, target)) if context is not None and security else None
            return first_row(probe, loan, secure, progress)

        try:
            row = await lend(target, speak)
        except ssl.SSLError as error:
            if security is None:
                raise
            raise tls.failure(error, security, target) from None
        if row is None:
            raise FailedError("the query gives no row")
        return _judge(row, wanted)

    return check


def _judge(row: Row, wanted: Matcher | None) -> Passed:
    """Compare a row, its values separated by tabs; NULL is NULL."""
    if wanted is None:
        return Passed("query answered by a row")
    text = b"\t".join(_written(value) for value in row)
    try:
        if wanted.found_in(text):
            return Passed("the row matches")
    except TooCostlyError:
        raise FailedError("the pattern for the row takes too long: simplify it") from None
    raise FailedError(f"the row does not match: “{reasons.quoted(text[:80])}”")


def _written(value: str | bytes | None) -> bytes:
    if value is None:
        return b"NULL"
    return value.encode() if isinstance(value, str) else value


def foreign(dialect: Dialect) -> FailedError:
    """What is to be said of a server that does not speak the protocol."""
    return FailedError(f"not {_NAMES[dialect]}")
