"""Real servers from the DNS: names are looked up again when their time to live is over; the last answer stays.

A resolver that fails, or that suddenly says that there is nothing, takes no server away: the last answer goes on, over
restarts of the daemon too, and the trouble is told. What an answer no longer names is drained like a server that a
person has removed.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vedette.kit import clock, files, log, plain
from vedette.kit.units import MINUTE, SECOND, seconds
from vedette.spec.resolved import NameKind
from vedette.state.names import MOST, Answers, Found, Question

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

SOONEST, LATEST = 5 * SECOND, 5 * MINUTE
"""Bounds of the time (ns) after which a name is looked up again, whatever its records say."""
AGAIN = 5 * SECOND
"""After a failure (ns); doubled with each further one up to a minute while there is an answer that goes on."""
PATIENCE = 5.0
"""Seconds for one question."""
AT_ONCE = 16
"""Questions under way."""

_log = logging.getLogger("vedette.names")


class LookupFailedError(Exception):
    """No answer that could be used; the text is fit for an operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``lasts``: the records' time to live (ns)."""

    found: tuple[Found, ...]
    lasts: int


class Lookup(Protocol):
    """Asks once; raises :class:`LookupFailedError`."""

    async def __call__(self, question: Question) -> Answer: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer as it is stored."""

    question: Question
    found: tuple[Found, ...]


@dataclass(slots=True)
class _Course:
    due: int = 0
    failures: int = 0
    problem: str = ""


class Names:
    """Keeps the answers to all questions; ``changed`` is called when one is another than before.

    Without ``store`` what is in the file is used, and stays as it is.
    """

    def __init__(
        self,
        path: Path,
        changed: Callable[[], None],
        *,
        lookup: Lookup | None = None,
        now: Callable[[], int] = clock.boottime,
        store: bool = True,
    ) -> None:
        self._path, self._changed, self._now, self._store = path, changed, now, store
        self._lookup: Lookup = lookup or ask
        self._answers: dict[Question, tuple[Found, ...]] = {kept.question: kept.found for kept in _read(path)}
        self._courses: dict[Question, _Course] = {}
        self._woken = asyncio.Event()

    @property
    def answers(self) -> Answers:
        """The last good answer to each question that has had one."""
        return dict(self._answers)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Names that cannot be looked up: (name, what is wrong and what goes on)."""
        found = []
        for question, course in self._courses.items():
            if course.problem:
                count = len(self._answers.get(question, ()))
                goes_on = f"the last answer, {count} servers, goes on" if count else "it stands for no server yet"
                found.append((question.name, f"{course.problem}; {goes_on}"))
        return found

    def set_questions(self, questions: Iterable[Question]) -> None:
        """Look these up from now on."""
        wanted = frozenset(questions)
        self._courses = {question: self._courses.get(question, _Course()) for question in wanted}
        self._answers = {question: found for question, found in self._answers.items() if question in wanted}
        self._woken.set()

    async def run(self) -> None:
        """Look up until cancelled."""
        while True:
            self._woken.clear()
            await self.look()
            due = min((course.due for course in self._courses.values()), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else seconds(max(0, due - self._now()))):
                    await self._woken.wait()

    async def look(self) -> None:
        """Ask everything that is due, and take over what has changed."""
        due = [question for question, course in self._courses.items() if course.due <= self._now()]
        before = dict(self._answers)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(question: Question) -> None:
            async with room:
                await self._ask(question)

        await asyncio.gather(*(one(question) for question in due))
        if self._answers != before:
            if self._store:
                await self._keep()
            self._changed()

    async def _ask(self, question: Question) -> None:
        try:
            answer = await self._lookup(question)
            if not answer.found:
                raise LookupFailedError("it has no records")
        except LookupFailedError as error:
            self._failed(question, str(error))
            return
        course = self._courses.get(question)
        if course is None:
            return  # the document has dropped it meanwhile
        if course.problem:
            log.event(_log, logging.INFO, "name.found-again", host=question.name)
        course.due = self._now() + min(max(answer.lasts, SOONEST), LATEST)
        course.failures, course.problem = 0, ""
        found = tuple(dict.fromkeys(answer.found))[:MOST]
        if set(found) != set(self._answers.get(question, ())):
            self._answers[question] = found
            log.event(_log, logging.INFO, "name.changed", host=question.name, servers=len(found))

    def _failed(self, question: Question, reason: str) -> None:
        course = self._courses.get(question)
        if course is None:
            return
        if course.problem != reason:
            log.event(_log, logging.WARNING, "name.not-found", host=question.name, reason=reason)
        course.problem = reason
        patient = question in self._answers
        course.due = self._now() + (min(AGAIN << min(course.failures, 4), MINUTE) if patient else AGAIN)
        course.failures += 1

    async def _keep(self) -> None:
        rows = [plain.dump(_Kept(question, found)) for question, found in self._answers.items()]
        try:
            await asyncio.to_thread(files.replace, self._path, json.dumps(rows).encode(), durable=True)
        except OSError as error:
            log.event(_log, logging.ERROR, "names.not_kept", reason=error.strerror)


def _read(path: Path) -> tuple[_Kept, ...]:
    data = files.read(path)
    if data is None:
        return ()
    try:
        return plain.load(tuple[_Kept, ...], json.loads(data))
    except ValueError:
        return ()


async def ask(question: Question) -> Answer:
    """Ask the resolvers of /etc/resolv.conf, as they are at that moment."""
    import dns.asyncresolver
    import dns.exception

    try:
        return await look_up(question, dns.asyncresolver.Resolver())
    except (dns.exception.DNSException, OSError) as error:
        raise LookupFailedError(explain(error)) from error


def explain(error: Exception) -> str:
    """What dnspython raises, in a few words."""
    import dns.resolver

    match error:
        case dns.resolver.NXDOMAIN():
            return "there is no such name"
        case dns.resolver.NoAnswer():
            return "it has no such records"
        case dns.resolver.LifetimeTimeout():
            return f"no name server answers within {PATIENCE:g} s"
        case dns.resolver.NoNameservers():
            return "no name server can answer"
        case dns.resolver.NoResolverConfiguration():
            return "/etc/resolv.conf names no name server"
        case _:
            return str(error).rstrip(".") or type(error).__name__


async def look_up(question: Question, resolver: "Resolver") -> Answer:
    """Ask ``resolver``; of SRV records those of the best priority count. Raises what dnspython raises."""
    if question.by is NameKind.HOST:
        found, lasts = await _addresses(question.name, resolver)
        return Answer(tuple(Found(ip_address(address)) for address in found), lasts)
    records = await resolver.resolve(f"{question.name}.", "SRV", lifetime=PATIENCE)
    lasts = records.rrset.ttl * SECOND if records.rrset is not None else SOONEST
    best = min(record.priority for record in records)
    servers: list[Found] = []
    for record in records:
        if record.priority != best or str(record.target) == ".":
            continue
        addresses, limit = await _addresses(str(record.target).removesuffix("."), resolver)
        lasts = min(lasts, limit)
        servers += [Found(ip_address(address), record.port, max(1, record.weight)) for address in addresses]
    return Answer(tuple(servers), lasts)


async def _addresses(name: str, resolver: "Resolver") -> tuple[list[str], int]:
    """All addresses of a name, and how long (ns) they are good for; one family may have none."""
    import dns.resolver

    found: list[str] = []
    lasts = LATEST
    nothing: Exception | None = None
    for kind in ("A", "AAAA"):
        try:
            answer = await resolver.resolve(f"{name}.", kind, lifetime=PATIENCE)
        except dns.resolver.NoAnswer as error:
            nothing = error
            continue
        found += [str(record.address) for record in answer]
        if answer.rrset is not None:
            lasts = min(lasts, answer.rrset.ttl * SECOND)
    if not found and nothing is not None:
        raise nothing
    return found, lasts
