"""Real servers from the DNS: names are looked up again when their time to live is over; the last answer stays.

A resolver that fails, or that suddenly says that there is nothing, takes no server away: the last answer goes on, over
restarts of the daemon too, and the trouble is told. That holds for the addresses of each family by themselves, and for
an answer of which a service can use nothing. What an answer no longer names is drained like a server that a person has
removed. Every name is for itself: none waits for another's resolver.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vedette.kit import clock, files, log, plain
from vedette.kit.units import MINUTE, SECOND, seconds
from vedette.spec.resolved import NameKind
from vedette.state.names import MOST, Answers, Found, Need, Question, left_out, of_use, useless

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

SOONEST, LATEST = 5 * SECOND, 5 * MINUTE
"""Bounds of the time (ns) after which a name is looked up again, whatever its records say."""
AGAIN = 5 * SECOND
"""After a failure (ns); doubled with each further one up to a minute while there is an answer that goes on."""
PATIENCE = 5.0
"""Seconds for one question."""
AT_ONCE = 64
"""Questions under way, and targets of one SRV record."""

_log = logging.getLogger("vedette.names")


class LookupFailedError(Exception):
    """No answer that could be used; the text is fit for an operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``lasts``: the records' time to live (ns). ``none``: IP versions (4, 6) of which there is said to be no address;
    ``missing``: those of which not all could be asked, and why."""

    found: tuple[Found, ...]
    lasts: int
    none: frozenset[int] = frozenset()
    missing: Mapping[int, str] = field(default_factory=dict)


class Lookup(Protocol):
    """Asks once for addresses of these versions (4, 6); raises :class:`LookupFailedError`."""

    async def __call__(self, question: Question, versions: frozenset[int], /) -> Answer: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer as it is stored."""

    question: Question
    found: tuple[Found, ...]


@dataclass(slots=True)
class _Course:
    """``problem``: there is no answer of use; ``remark``: there is one, but not all of it is as it should be."""

    need: Need
    due: int = 0
    failures: int = 0
    problem: str = ""
    remark: str = ""
    asking: bool = False


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
        self._room = asyncio.Semaphore(AT_ONCE)
        self._woken = asyncio.Event()
        self._news = asyncio.Event()
        """An answer is another than before, and nobody has been told yet."""

    @property
    def answers(self) -> Answers:
        """The last good answer to each question that has had one."""
        return dict(self._answers)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Names that cannot be looked up, or not as a whole: (name, what is wrong and what goes on)."""
        found = []
        for question, course in self._courses.items():
            if course.problem:
                count = of_use(course.need, self._answers.get(question, ()))
                goes_on = f"the last answer, {count} servers, goes on" if count else "it stands for no server"
                found.append((question.name, f"{course.problem}; {goes_on}"))
            elif course.remark:
                found.append((question.name, course.remark))
        return found

    def set_questions(self, questions: Mapping[Question, Need]) -> None:
        """Look these up from now on; one of which something else is needed than before is asked again at once."""
        courses = {}
        for question, need in questions.items():
            course = courses[question] = self._courses.get(question) or _Course(need)
            if course.need != need:
                course.need, course.due = need, 0
        self._courses = courses
        self._answers = {question: found for question, found in self._answers.items() if question in courses}
        self._woken.set()

    async def run(self) -> None:
        """Look up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell())
            while True:
                self._woken.clear()
                for question in self._due():
                    self._courses[question].asking = True
                    tasks.create_task(self._ask(question))
                due = min((course.due for course in self._courses.values() if not course.asking), default=None)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if due is None else seconds(max(0, due - self._now()))):
                        await self._woken.wait()

    async def look(self) -> None:
        """Ask everything that is due, once, and take over what has changed."""
        await asyncio.gather(*map(self._ask, self._due()))
        if self._news.is_set():
            await self._tell_once()

    def _due(self) -> list[Question]:
        now = self._now()
        return [question for question, course in self._courses.items() if course.due <= now and not course.asking]

    async def _tell(self) -> None:
        """Tell each answer when it comes; those that come while the last ones are stored are told together."""
        while True:
            await self._news.wait()
            await self._tell_once()

    async def _tell_once(self) -> None:
        self._news.clear()
        if self._store:
            await self._keep()
        self._changed()

    async def _ask(self, question: Question) -> None:
        course = self._courses[question]
        need = course.need
        try:
            async with self._room:
                answer = await self._lookup(question, need.versions)
            if self._courses.get(question) is course:  # the document has not dropped it meanwhile
                self._take(question, course, answer)
        except LookupFailedError as error:
            self._failed(question, course, str(error))
        finally:
            course.asking = False
            if course.need != need:
                course.due = 0
            self._woken.set()

    def _take(self, question: Question, course: _Course, answer: Answer) -> None:
        """Take an answer over. Raises :class:`LookupFailedError` where it is of no use."""
        former = self._answers.get(question, ())
        lacking = answer.none.union(answer.missing)
        new = {item.address for item in answer.found}
        kept = [item for item in former if item.address.version in lacking and item.address not in new]
        found = tuple(dict.fromkeys((*answer.found, *kept)))[:MOST]
        if not answer.found:
            raise LookupFailedError(next(iter(answer.missing.values()), "it has no records"))
        if reason := useless(course.need, found):
            raise LookupFailedError(reason)
        if course.problem:
            log.event(_log, logging.INFO, "name.found-again", host=question.name)
        lasts = min(max(answer.lasts, SOONEST), LATEST)
        course.due = self._now() + (min(lasts, _pause(course.failures)) if answer.missing else lasts)
        course.failures, course.problem = (course.failures + 1 if answer.missing else 0), ""
        self._remark(question, course, _remarks(answer, kept, left_out(course.need, found)))
        if set(found) != set(former):
            self._answers[question] = found
            self._news.set()
            log.event(_log, logging.INFO, "name.changed", host=question.name, servers=len(found))

    def _remark(self, question: Question, course: _Course, remark: str) -> None:
        if remark and remark != course.remark:
            log.event(_log, logging.WARNING, "name.not-whole", host=question.name, reason=remark)
        course.remark = remark

    def _failed(self, question: Question, course: _Course, reason: str) -> None:
        if course.problem != reason:
            log.event(_log, logging.WARNING, "name.not-found", host=question.name, reason=reason)
        course.problem, course.remark = reason, ""
        patient = question in self._answers
        course.due = self._now() + (_pause(course.failures) if patient else AGAIN)
        course.failures += 1

    async def _keep(self) -> None:
        rows = [plain.dump(_Kept(question, found)) for question, found in self._answers.items()]
        try:
            await asyncio.to_thread(files.replace, self._path, json.dumps(rows).encode(), durable=True)
        except OSError as error:
            log.event(_log, logging.ERROR, "names.not_kept", reason=error.strerror)


def _pause(failures: int) -> int:
    """How long (ns) to wait after so many failures while there is something that goes on."""
    return min(AGAIN << min(failures, 4), MINUTE)


def _remarks(answer: Answer, kept: list[Found], refused: list[str]) -> str:
    """What is not as it should be with an answer that is of use, in words."""
    found = []
    for version in sorted(answer.none.union(answer.missing)):
        count = sum(item.address.version == version for item in kept)
        if count or version in answer.missing:
            why = answer.missing.get(version, "it has no such records")
            found.append(f"IPv{version}: {why}" + (f"; the last answer, {count} servers, goes on" if count else ""))
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        found.append(f"{refused[0]}{more}: left out")
    return "; ".join(found)


def _read(path: Path) -> tuple[_Kept, ...]:
    data = files.read(path)
    if data is None:
        return ()
    try:
        return plain.load(tuple[_Kept, ...], json.loads(data))
    except ValueError:
        return ()


async def ask(question: Question, versions: frozenset[int]) -> Answer:
    """Ask the resolvers of /etc/resolv.conf, as they are at that moment."""
    import dns.asyncresolver
    import dns.exception

    try:
        return await look_up(question, dns.asyncresolver.Resolver(), versions)
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


async def look_up(question: Question, resolver: "Resolver", versions: frozenset[int]) -> Answer:
    """Ask ``resolver``; of SRV records those of the best priority count. Raises what dnspython raises where it finds
    nothing at all."""
    if question.by is NameKind.HOST:
        return _together([await _of_host(question.name, resolver, versions, None, None)], versions, LATEST)
    records = await resolver.resolve(f"{question.name}.", "SRV", lifetime=PATIENCE)
    lasts = records.rrset.ttl * SECOND if records.rrset is not None else SOONEST
    best = min(record.priority for record in records)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(target: str, port: int, weight: int) -> "_OfHost":
        async with room:
            return await _of_host(target, resolver, versions, port, weight)

    hosts = await asyncio.gather(
        *(
            one(str(record.target).removesuffix("."), record.port, max(1, record.weight))
            for record in records
            if record.priority == best and str(record.target) != "."
        )
    )
    return _together(hosts, versions, lasts)


@dataclass(slots=True)
class _OfHost:
    """The addresses of one host name; ``errors`` by version, NoAnswer among them."""

    found: list[Found]
    lasts: int
    errors: dict[int, Exception]


async def _of_host(
    name: str, resolver: "Resolver", versions: frozenset[int], port: int | None, weight: int | None
) -> _OfHost:
    """Ask for the addresses of each family at the same time; what is wrong with one hides none of the other."""
    import dns.exception

    host = _OfHost([], LATEST, {})

    async def one(version: int) -> None:
        try:
            answer = await resolver.resolve(f"{name}.", "A" if version == 4 else "AAAA", lifetime=PATIENCE)
        except (dns.exception.DNSException, OSError) as error:
            host.errors[version] = error
            return
        host.found += [Found(ip_address(str(record.address)), port, weight) for record in answer]
        if answer.rrset is not None:
            host.lasts = min(host.lasts, answer.rrset.ttl * SECOND)

    await asyncio.gather(*map(one, sorted(versions)))
    return host


def _together(hosts: list[_OfHost], versions: frozenset[int], lasts: int) -> Answer:
    """One answer of all hosts. A family that a host does not have is no fault, if it has the other."""
    import dns.resolver

    missing: dict[int, Exception] = {}
    for host in hosts:
        for version, error in host.errors.items():
            if not isinstance(error, dns.resolver.NoAnswer) or not host.found:
                missing.setdefault(version, error)
    found = tuple(item for host in hosts for item in host.found)
    if not found and missing:
        raise min(missing.values(), key=lambda error: isinstance(error, dns.resolver.NoAnswer))
    return Answer(
        found,
        min((lasts, *(host.lasts for host in hosts))),
        none=versions.difference((item.address.version for item in found), missing),
        missing={version: explain(error) for version, error in missing.items()},
    )
