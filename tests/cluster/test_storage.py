"""State files: what was written is read again; what is damaged reads as absent."""

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.cluster.bench import Bench, config

from vedette.cluster import storage
from vedette.cluster.ballot import Ballot, Record
from vedette.cluster.events import Reason, What
from vedette.cluster.messages import About, Wish
from vedette.cluster.storage import Durable, Owned, Volatile
from vedette.cluster.voter import Vote
from vedette.kit.units import SECOND

number = some.integers(0, 2**63)
ballots = some.builds(Ballot, number, number, number)
votes = some.builds(Vote, ballots, some.none() | some.builds(Record, ballots, number), number)
volatiles = some.builds(
    Volatile,
    some.text(max_size=40),
    number,
    number,
    number,
    some.dictionaries(number, votes, max_size=5),
    some.dictionaries(number, some.builds(Owned, ballots, some.integers(0, 2**63 - 1)), max_size=5),
)
words = some.text(max_size=20)
wishes = some.builds(
    Wish, some.sampled_from(About), number, number, number, number, some.booleans(), number, words, words
)
durables = some.builds(
    Durable,
    some.text(max_size=20),
    number,
    some.text(max_size=40),
    some.text(max_size=16),
    some.lists(wishes, max_size=5).map(tuple),
    number,
)


@settings(max_examples=100, deadline=None)
@given(volatiles, durables)
def test_what_is_written_is_read_again(volatile: Volatile, durable: Durable) -> None:
    assert storage.load_volatile(storage.dump_volatile(volatile)) == volatile
    assert storage.load_durable(storage.dump_durable(durable)) == durable


@settings(max_examples=200, deadline=None)
@given(volatiles, some.data())
def test_a_file_that_was_cut_short_or_changed_reads_as_absent(state: Volatile, data: some.DataObject) -> None:
    whole = storage.dump_volatile(state)
    cut = whole[: data.draw(some.integers(0, len(whole) - 2))]
    assert storage.load_volatile(cut) is None
    place = data.draw(some.integers(0, len(whole) - 2))
    assert storage.load_volatile(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]) is None


@settings(max_examples=100, deadline=None)
@given(some.binary(max_size=200))
def test_random_bytes_read_as_absent(data: bytes) -> None:
    assert storage.load_volatile(data) is None
    assert storage.load_durable(data) is None


def test_a_damaged_file_is_told_and_its_node_keeps_silent() -> None:
    bench = Bench(config())
    bench.seats["a"].durable = bench.seats["a"].volatile = b"nonsense"
    bench.start("a")
    told = [(event.what, event.reason) for ready in bench.seats["a"].said for event in ready.events]
    assert told.count((What.STATE_LOST, Reason.UNREADABLE)) == 2
    assert bench.machine("a")._site.silent_until == bench.now + 3 * SECOND


def test_32_groups_take_a_few_kilobytes() -> None:
    votes = {group: Vote(Ballot(9, 9, 2**31), Record(Ballot(9, 9, 2**31), 10**15), 10**15) for group in range(32)}
    own = {group: Owned(Ballot(9, 9, 2**31), 10**15) for group in range(32)}
    assert len(storage.dump_volatile(Volatile("b" * 36, 9, 9, 0, votes, own))) < 5000
