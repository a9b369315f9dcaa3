"""Names are looked up when it is time, and a resolver that fails takes no server away."""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from vedette.kit.units import MINUTE, SECOND
from vedette.sources.names import Answer, LookupFailedError, Names, explain, look_up
from vedette.spec.resolved import NameKind
from vedette.state.names import Found, Question

APP = Question(NameKind.HOST, "app.example")


def servers(*addresses: str) -> tuple[Found, ...]:
    return tuple(Found(ip_address(address)) for address in addresses)


class World:
    """Names on a clock that the test moves, with a resolver that it decides for."""

    def __init__(self, folder: Path) -> None:
        self.now = MINUTE
        self.answer: Answer | LookupFailedError = Answer(servers("10.0.0.11"), 30 * SECOND)
        self.asked = self.changes = 0
        self.names = Names(folder / "names.json", self._changed, lookup=self._look_up, now=lambda: self.now)
        self.names.set_questions([APP])

    def _changed(self) -> None:
        self.changes += 1

    async def _look_up(self, question: Question) -> Answer:
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
    again.names.set_questions([])
    assert again.names.answers == {}
    assert again.names.problems == []


def test_what_was_stored_and_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('[{"question": 5}]')
    assert World(tmp_path).names.answers == {}


# Against a name server


class NameServer(asyncio.DatagramProtocol):
    """Knows two names, and says of all others that there are none."""

    RECORDS = (
        ("app.example.", "A", ("10.0.0.11", "10.0.0.12")),
        ("app.example.", "AAAA", ("2001:db8::11",)),
        ("four.example.", "A", ("10.0.0.13",)),
        ("_http._tcp.example.", "SRV", ("10 5 8080 app.example.", "10 0 8081 four.example.", "20 1 80 app.example.")),
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        (question,) = query.question
        if str(question.name).startswith("broken."):
            answer.set_rcode(dns.rcode.SERVFAIL)
        for name, kind, values in self.RECORDS:
            found = dns.rrset.from_text(name, 30, "IN", kind, *values)
            if (found.name, found.rdtype) == (question.name, question.rdtype):
                answer.answer.append(found)
        self.transport.sendto(answer.to_wire(), addr)


def asked(question: Question) -> Answer:
    async def scenario() -> Answer:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = transport.get_extra_info("sockname")[1]
        try:
            return await look_up(question, resolver)
        finally:
            transport.close()

    return asyncio.run(scenario())


def test_addresses_of_both_families_are_found_with_their_time_to_live() -> None:
    answer = asked(APP)
    assert set(answer.found) == set(servers("10.0.0.11", "10.0.0.12", "2001:db8::11"))
    assert answer.lasts == 30 * SECOND


def test_a_name_with_addresses_of_one_family_is_found() -> None:
    assert asked(Question(NameKind.HOST, "four.example")).found == servers("10.0.0.13")


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
