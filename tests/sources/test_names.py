"""Names are looked up when it is time, and a resolver that fails takes no server away."""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from vedette.kit.units import MINUTE, SECOND
from vedette.sources.names import Answer, LookupFailedError, Names, explain, look_up
from vedette.spec.resolved import Forwarding, NameKind
from vedette.state.names import Found, Need, Question, Use

APP = Question(NameKind.HOST, "app.example")
BOTH = frozenset({4, 6})


def servers(*addresses: str) -> tuple[Found, ...]:
    return tuple(Found(ip_address(address)) for address in addresses)


class World:
    """Names on a clock that the test moves, with a resolver that it decides for."""

    def __init__(self, folder: Path) -> None:
        self.now = MINUTE
        self.answer: Answer | LookupFailedError = Answer(servers("10.0.0.11"), 30 * SECOND)
        self.asked = self.changes = 0
        self.names = Names(folder / "names.json", self._changed, lookup=self._look_up, now=lambda: self.now)
        self.names.set_questions({APP: Need(BOTH)})

    def _changed(self) -> None:
        self.changes += 1

    async def _look_up(self, question: Question, versions: frozenset[int]) -> Answer:
        self.asked += 1
        if isinstance(self.answer, LookupFailedError):
            raise self.answer
        return self.answer

    def pass_(self, duration: int = 0) -> None:
        self.now += duration
        asyncio.run(self.names.look())


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.pass_()
    return world


def test_a_name_is_looked_up_again_when_its_time_to_live_is_over(world: World) -> None:
    assert world.names.answers == {APP: servers("10.0.0.11")}
    world.answer = Answer(servers("10.0.0.12"), 30 * SECOND)
    world.pass_(29 * SECOND)
    assert (world.asked, world.changes) == (1, 1)
    world.pass_(SECOND)
    assert (world.asked, world.changes) == (2, 2)
    assert world.names.answers == {APP: servers("10.0.0.12")}


def test_another_order_of_the_same_addresses_is_no_change(world: World) -> None:
    for addresses in (("10.0.0.11", "10.0.0.12"), ("10.0.0.12", "10.0.0.11")):
        world.answer = Answer(servers(*addresses), SECOND)
        world.pass_(MINUTE)
    assert world.changes == 2


@pytest.mark.parametrize("answer", [LookupFailedError("no resolver answers"), Answer((), SECOND)])
def test_a_resolver_that_fails_or_knows_nothing_any_more_keeps_the_last_answer_and_is_a_problem(
    world: World, answer: Answer | LookupFailedError
) -> None:
    world.answer = answer
    world.pass_(MINUTE)
    assert world.names.answers == {APP: servers("10.0.0.11")}
    ((name, message),) = world.names.problems
    assert name == "app.example"
    assert "goes on" in message
    world.answer = Answer(servers("10.0.0.11"), SECOND)
    world.pass_(5 * SECOND)
    assert world.names.problems == []


def test_a_failing_resolver_is_asked_ever_more_rarely_and_at_least_every_minute(world: World) -> None:
    world.answer = LookupFailedError("no resolver answers")
    for _ in range(20 * 60):
        world.pass_(SECOND)
    assert 20 <= world.asked <= 30


def test_the_last_answer_survives_a_restart_and_goes_with_its_name(world: World, tmp_path: Path) -> None:
    again = World(tmp_path)
    assert again.names.answers == {APP: servers("10.0.0.11")}
    again.names.set_questions({})
    assert again.names.answers == {}
    assert again.names.problems == []


def test_what_was_stored_and_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('[{"question": 5}]')
    assert World(tmp_path).names.answers == {}


@pytest.mark.parametrize(
    "lacking",
    [
        Answer(servers("2001:db8::11"), SECOND, none=frozenset({4})),
        Answer(servers("2001:db8::11"), SECOND, missing={4: "no name server can answer"}),
    ],
)
def test_a_family_that_has_no_answer_any_more_keeps_its_last_one(world: World, lacking: Answer) -> None:
    """A service of that family would lose all its servers."""
    world.answer = Answer(servers("10.0.0.11", "2001:db8::10"), SECOND)
    world.pass_(MINUTE)
    world.answer = lacking
    world.pass_(MINUTE)
    assert set(world.names.answers[APP]) == set(servers("10.0.0.11", "2001:db8::11"))
    ((name, message),) = world.names.problems
    assert name == "app.example"
    assert message.startswith("IPv4: ")
    assert message.endswith("; the last answer, 1 servers, goes on")
    world.answer = Answer(servers("10.0.0.12", "2001:db8::11"), SECOND)
    world.pass_(MINUTE)
    assert set(world.names.answers[APP]) == set(servers("10.0.0.12", "2001:db8::11"))
    assert world.names.problems == []


def test_an_answer_of_which_a_service_can_use_nothing_is_a_failure_with_its_reason(world: World) -> None:
    routed = Use(Forwarding.DIRECT_ROUTING, frozenset({80}), frozenset({4}), frozenset())
    world.names.set_questions({APP: Need(frozenset({4}), (routed,))})
    moved = Found(ip_address("10.0.0.12"), 8080, 1)
    world.answer = Answer((moved,), SECOND)
    world.pass_()
    assert world.names.answers == {APP: servers("10.0.0.11")}
    ((_, message),) = world.names.problems
    assert message == (
        "10.0.0.12 has port 8080, which directRouting cannot change; the last answer, 1 servers, goes on"
    )
    world.answer = Answer((moved, Found(ip_address("10.0.0.13"), 80, 1)), SECOND)
    world.pass_(MINUTE)
    assert len(world.names.answers[APP]) == 2
    assert world.names.problems == [
        ("app.example", "10.0.0.12 has port 8080, which directRouting cannot change: left out")
    ]


def test_a_last_answer_of_no_use_to_the_document_of_now_is_not_said_to_go_on(world: World) -> None:
    moved = Found(ip_address("10.0.0.12"), 8080, 1)
    world.answer = Answer((moved,), SECOND)
    world.pass_(MINUTE)
    routed = Use(Forwarding.DIRECT_ROUTING, frozenset({80}), frozenset({4}), frozenset())
    world.names.set_questions({APP: Need(frozenset({4}), (routed,))})
    world.pass_()
    ((_, message),) = world.names.problems
    assert message == "10.0.0.12 has port 8080, which directRouting cannot change; it stands for no server"


def test_a_name_is_asked_again_at_once_when_something_else_is_needed_of_it(world: World) -> None:
    world.names.set_questions({APP: Need(frozenset({4}))})
    world.pass_()
    assert world.asked == 2


def test_a_good_name_does_not_wait_for_a_dead_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        told = asyncio.Event()

        async def look(question: Question, versions: frozenset[int]) -> Answer:
            if question.name == "dead.example":
                await asyncio.Event().wait()
            return Answer(servers("10.0.0.11"), MINUTE)

        names = Names(tmp_path / "names.json", told.set, lookup=look)
        running = asyncio.create_task(names.run())
        wanted = {Question(NameKind.HOST, "dead.example"): Need(BOTH), APP: Need(BOTH)}
        names.set_questions(wanted)
        await told.wait()
        assert names.answers.keys() == {APP}
        told.clear()
        new = Question(NameKind.HOST, "new.example")
        names.set_questions({**wanted, new: Need(BOTH)})
        await told.wait()
        assert names.answers.keys() == {APP, new}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scenario(), 10))


# Against a name server


class NameServer(asyncio.DatagramProtocol):
    """Knows some names, and says of all others that there are none."""

    RECORDS = (
        ("app.example.", "A", ("10.0.0.11", "10.0.0.12")),
        ("app.example.", "AAAA", ("2001:db8::11",)),
        ("four.example.", "A", ("10.0.0.13",)),
        ("half.example.", "A", ("10.0.0.14",)),
        (
            "_half._tcp.example.",
            "SRV",
            ("10 5 8080 half.example.", "10 5 8080 broken.example.", "10 5 80 app.example."),
        ),
        ("_http._tcp.example.", "SRV", ("10 5 8080 app.example.", "10 0 8081 four.example.", "20 1 80 app.example.")),
    )

    asked: ClassVar[list[str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        (question,) = query.question
        self.asked.append(dns.rdatatype.to_text(question.rdtype))
        broken = str(question.name).startswith("half.") and question.rdtype == dns.rdatatype.AAAA
        if str(question.name).startswith("broken.") or broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        for name, kind, values in self.RECORDS:
            found = dns.rrset.from_text(name, 30, "IN", kind, *values)
            if (found.name, found.rdtype) == (question.name, question.rdtype):
                answer.answer.append(found)
        self.transport.sendto(answer.to_wire(), addr)


def asked(question: Question, versions: frozenset[int] = BOTH) -> Answer:
    async def scenario() -> Answer:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = transport.get_extra_info("sockname")[1]
        try:
            return await look_up(question, resolver, versions)
        finally:
            transport.close()

    return asyncio.run(scenario())


def test_addresses_of_both_families_are_found_with_their_time_to_live() -> None:
    answer = asked(APP)
    assert set(answer.found) == set(servers("10.0.0.11", "10.0.0.12", "2001:db8::11"))
    assert answer.lasts == 30 * SECOND


def test_a_name_with_addresses_of_one_family_is_found() -> None:
    assert asked(Question(NameKind.HOST, "four.example")).found == servers("10.0.0.13")


def test_only_the_families_that_somebody_needs_are_asked_for() -> None:
    NameServer.asked.clear()
    assert asked(APP, frozenset({6})).found == servers("2001:db8::11")
    assert NameServer.asked == ["AAAA"]


def test_a_broken_family_hides_none_of_the_other() -> None:
    answer = asked(Question(NameKind.HOST, "half.example"))
    assert answer.found == servers("10.0.0.14")
    assert answer.missing == {6: "no name server can answer"}


def test_a_broken_target_hides_none_of_the_other_srv_records() -> None:
    answer = asked(Question(NameKind.SRV, "_half._tcp.example"), frozenset({4}))
    assert {str(item.address) for item in answer.found} == {"10.0.0.11", "10.0.0.12", "10.0.0.14"}
    assert answer.missing == {4: "no name server can answer"}


def test_the_best_srv_records_give_addresses_ports_and_weights() -> None:
    answer = asked(Question(NameKind.SRV, "_http._tcp.example"))
    assert set(answer.found) == {
        Found(ip_address("10.0.0.11"), 8080, 5),
        Found(ip_address("10.0.0.12"), 8080, 5),
        Found(ip_address("2001:db8::11"), 8080, 5),
        Found(ip_address("10.0.0.13"), 8081, 1),
    }


@pytest.mark.parametrize(
    ("name", "said"), [("none.example", "it has no such records"), ("broken.example", "no name server can answer")]
)
def test_what_goes_wrong_is_said_in_a_few_words(name: str, said: str) -> None:
    with pytest.raises(dns.exception.DNSException) as caught:
        asked(Question(NameKind.HOST, name))
    assert explain(caught.value) == said
