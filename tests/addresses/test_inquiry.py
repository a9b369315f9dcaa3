"""Whom a VIP is asked about before it is claimed, and what an answer does."""

from collections.abc import Mapping
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from vedette.addresses.frames import Claim
from vedette.addresses.inquiry import BURST, GAP, IDLE, MOST_UNSENT, PRESSING, ROUND, Inquiry
from vedette.addresses.model import Link, Vip
from vedette.addresses.plan import Seat
from vedette.kit.units import MILLISECOND, SECOND

VIP = ip_address("10.77.0.100")
LAN = Link(2, "lan0", bytes.fromhex("020000000001"), up=True, carrier=True)
STRANGER, OTHER_NODE = bytes.fromhex("020000000009"), bytes.fromhex("020000000002")
START = 100 * SECOND


def seat(*, link: Link | None = LAN, ask_first: bool = True) -> Seat:
    return Seat(Vip(VIP, "web", ask_first=ask_first), link)


class Desk:
    """One inquiry about one VIP, with a clock, and somebody on the wire who may answer."""

    def __init__(self, *, answering: bytes = b"") -> None:
        self.now, self.answering = START, answering
        self.probes = 0
        self.inquiry = Inquiry()
        self.inquiry.keep([seat()], self.now)

    def attend(self, holder: str | None = "a", *, nodes: tuple[bytes, ...] = (), strict: bool = False) -> None:
        holders: Mapping[str, str | None] = {"web": holder}
        doubted = frozenset({VIP} if strict else ())
        self.inquiry.attend(holders, nodes=frozenset(nodes), strict=doubted, now=self.now)

    def run(self, time: int, *, deaf: bool = False) -> None:
        """Let time pass; whoever answers does so half a millisecond after the probe."""
        end = self.now + time
        while (at := self.inquiry.at) is not None and at <= end:
            self.now = max(self.now, at)
            for link, address in self.inquiry.due(self.now, deaf=deaf):
                self.probes += 1
                if self.answering:
                    self.inquiry.hear(link.name, Claim(address, self.answering), self.now + MILLISECOND // 2)
        self.now = end

    @property
    def doubts(self) -> bool:
        return self.inquiry.doubts(seat())


def test_an_address_is_in_doubt_until_a_whole_round_of_probes_is_met_with_silence() -> None:
    desk = Desk()
    desk.run(ROUND * GAP - 1)
    assert desk.doubts
    assert desk.probes == ROUND
    desk.run(1)
    assert not desk.doubts


def test_one_that_was_never_asked_about_is_in_doubt() -> None:
    assert Inquiry().doubts(seat())


def test_what_the_document_does_not_want_asked_is_not_and_nothing_is_where_nobody_could_answer() -> None:
    inquiry = Inquiry()
    tunnel = Link(3, "tun0", b"", up=True, carrier=True)
    others = [seat(ask_first=False), seat(link=tunnel), seat(link=None)]
    inquiry.keep(others, START)
    assert inquiry.at is None
    assert not any(inquiry.doubts(item) for item in others)


def test_a_stranger_that_answers_is_named_and_stands_in_the_way_for_as_long_as_it_answers() -> None:
    desk = Desk(answering=STRANGER)
    desk.inquiry.want(frozenset({"web"}), desk.now)
    desk.run(20 * SECOND)
    assert desk.doubts
    assert desk.inquiry.stranger(VIP) == STRANGER
    desk.answering = b""
    desk.run(PRESSING + ROUND * GAP)
    assert not desk.doubts
    assert desk.inquiry.stranger(VIP) == b""


def test_an_answer_to_the_last_probe_counts_too() -> None:
    desk = Desk()
    desk.run((ROUND - 1) * GAP)
    desk.inquiry.hear("lan0", Claim(VIP, STRANGER), desk.now)
    desk.run(GAP)
    assert desk.doubts


def test_a_stranger_that_shows_itself_later_is_in_the_way_of_the_next_claim() -> None:
    desk = Desk()
    desk.run(SECOND)
    desk.inquiry.hear("lan0", Claim(VIP, STRANGER), desk.now)
    assert desk.doubts


def test_claims_on_another_interface_are_no_answer() -> None:
    desk = Desk()
    desk.inquiry.hear("wan0", Claim(VIP, STRANGER), desk.now)
    desk.run(ROUND * GAP)
    assert not desk.doubts


def test_what_a_node_of_the_cluster_answers_is_no_conflict() -> None:
    desk = Desk(answering=OTHER_NODE)
    desk.attend(nodes=(OTHER_NODE,))
    desk.run(10 * SECOND)
    assert not desk.doubts


def test_who_answered_before_it_was_known_to_be_a_node_is_no_stranger_any_more() -> None:
    """A daemon that starts asks at once, and hears of the others a little later."""
    desk = Desk(answering=OTHER_NODE)
    desk.run(ROUND * GAP)
    assert desk.doubts
    changes = desk.inquiry.changes
    desk.attend(nodes=(OTHER_NODE,))
    assert not desk.doubts
    assert desk.inquiry.changes > changes


def test_a_stranger_is_one_whoever_holds_the_group() -> None:
    """The holder may be waiting for it to go, just as this node will."""
    desk = Desk(answering=STRANGER)
    for holder in ("b", None, "b", None):
        desk.attend(holder, nodes=(OTHER_NODE,))
        desk.run(10 * SECOND)
        assert desk.doubts


def test_a_network_that_answers_for_a_dead_node_does_not_hold_up_who_takes_over() -> None:
    """Ethernet fabrics with ARP suppression do, for minutes."""
    desk = Desk(answering=OTHER_NODE)
    desk.attend("b", nodes=(OTHER_NODE,))
    desk.run(SECOND)
    desk.attend(None, nodes=(OTHER_NODE,))
    desk.inquiry.want(frozenset({"web"}), desk.now)
    assert not desk.doubts
    desk.run(10 * SECOND)
    assert not desk.doubts


def test_a_node_that_answers_by_a_document_of_before_is_in_the_way() -> None:
    desk = Desk(answering=OTHER_NODE)
    desk.attend(nodes=(OTHER_NODE,), strict=True)
    desk.run(SECOND)
    assert desk.doubts
    desk.attend(nodes=(OTHER_NODE,))
    assert not desk.doubts


def test_nobody_is_asked_while_the_address_is_held_and_now_and_then_while_it_is_not() -> None:
    desk = Desk()
    desk.attend("a")
    desk.run(SECOND)
    desk.probes = 0
    desk.run(60 * SECOND)
    assert desk.probes == 0
    desk.attend(None)
    desk.run(60 * SECOND)
    rounds = 60 * SECOND // (IDLE + ROUND * GAP)
    assert rounds * ROUND <= desk.probes <= (rounds + 1) * ROUND


def test_silence_says_nothing_while_there_is_something_left_to_hear() -> None:
    desk = Desk()
    desk.run(SECOND, deaf=True)
    assert desk.doubts
    desk.run(GAP)
    assert not desk.doubts


def test_many_are_not_asked_all_at_once() -> None:
    inquiry = Inquiry()
    many = [Seat(Vip(VIP + number, "web"), LAN) for number in range(3 * BURST)]
    inquiry.keep(many, START)
    now, asked = START, list[int]()
    while inquiry.doubts(many[-1]):
        asked.append(len(inquiry.due(now)))
        assert inquiry.at is not None
        now = max(now, inquiry.at)
    assert max(asked) == BURST
    assert sum(asked) == ROUND * len(many)


def test_a_probe_that_cannot_be_sent_is_no_silence_and_is_given_up_in_the_end() -> None:
    desk = Desk()
    for _ in range(MOST_UNSENT):
        assert desk.inquiry.at is not None
        desk.now = desk.inquiry.at
        for _, address in desk.inquiry.due(desk.now):
            desk.inquiry.unsent(address)
        assert desk.doubts
    for _ in range(ROUND + 1):
        assert desk.inquiry.at is not None
        desk.now = desk.inquiry.at
        for _, address in desk.inquiry.due(desk.now):
            desk.inquiry.unsent(address)
    assert not desk.doubts


def test_a_doubt_is_cleared_up_at_once_when_the_address_is_wanted() -> None:
    desk = Desk()
    desk.run(SECOND)
    desk.inquiry.hear("lan0", Claim(VIP, STRANGER), desk.now)
    desk.inquiry.want(frozenset({"web"}), desk.now)
    desk.run(ROUND * GAP)
    assert not desk.doubts


def test_an_interface_that_has_changed_is_asked_anew() -> None:
    desk = Desk()
    desk.run(SECOND)
    elsewhere = seat(link=Link(4, "wan0", LAN.mac, up=True, carrier=True))
    assert desk.inquiry.doubts(elsewhere), "before anybody has asked there"
    desk.inquiry.keep([elsewhere], desk.now)
    assert desk.inquiry.doubts(elsewhere)


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 10 * SECOND)),
        st.tuples(st.just("hold"), st.sampled_from([None, "a", "b"])),
        st.tuples(st.just("want"), st.booleans()),
        st.tuples(st.just("answer"), st.booleans()),
    ),
    max_size=30,
)


def happen(desk: Desk, step: tuple[str, object]) -> None:
    match step:
        case ("run", int(time)):
            desk.run(time)
        case ("hold", holder):
            desk.attend(holder if isinstance(holder, str) else None, nodes=(OTHER_NODE,))
        case ("want", wanted):
            desk.inquiry.want(frozenset({"web"} if wanted else ()), desk.now)
        case ("answer", answers):
            desk.answering = STRANGER if answers else b""


@given(steps=happenings)
def test_whatever_came_before_an_address_that_nobody_has_is_soon_claimed(steps: list[tuple[str, object]]) -> None:
    desk = Desk()
    for step in steps:
        happen(desk, step)
    desk.answering = b""
    desk.inquiry.want(frozenset({"web"}), desk.now)
    desk.run(IDLE)
    assert not desk.doubts


@given(steps=happenings)
def test_a_stranger_that_answers_all_the_time_is_always_in_the_way(steps: list[tuple[str, object]]) -> None:
    desk = Desk(answering=STRANGER)
    for step in steps:
        if step[0] != "answer":
            happen(desk, step)
        assert desk.doubts
