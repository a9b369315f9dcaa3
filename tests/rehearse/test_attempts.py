"""The records between the traffic process and the rehearsal."""

from pathlib import Path

from vedette.lab.attempts import SIZE, Attempt, Kind, Outcome, Recording, decode, encode


def mark(instant: int) -> Attempt:
    return Attempt(0, Kind.MARK, instant, instant, Outcome.ANSWERED)


def test_a_record_survives_the_file() -> None:
    attempt = Attempt(7, Kind.HELD, 123, 456, Outcome.RESET, 503, "10.0.0.11")
    assert list(decode(encode(attempt))) == [attempt]


def test_a_long_server_name_is_cut_to_the_field() -> None:
    (attempt,) = decode(encode(Attempt(0, Kind.REQUEST, 1, 2, Outcome.ANSWERED, 200, "x" * 99)))
    assert attempt.server == "x" * 21


def test_a_record_that_is_still_being_written_is_read_next_time(tmp_path: Path) -> None:
    path = tmp_path / "records"
    data = encode(Attempt(0, Kind.REQUEST, 5, 6, Outcome.ANSWERED)) + encode(mark(9))
    path.write_bytes(data[: SIZE + 3])
    recording = Recording(path, keep=1000)
    recording.read()
    assert recording.complete_until == 0
    path.write_bytes(data)
    recording.read()
    assert [attempt.start for attempt in recording.since(0)] == [5]
    assert recording.complete_until == 9


def test_attempts_come_back_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    path = tmp_path / "records"
    late, early = (Attempt(0, Kind.REQUEST, start, 90, Outcome.ANSWERED) for start in (50, 10))
    path.write_bytes(encode(late) + encode(early))
    recording = Recording(path, keep=1000)
    recording.read()
    assert [attempt.start for attempt in recording.since(0)] == [10, 50]
    assert [attempt.start for attempt in recording.since(20)] == [50]


def test_what_is_long_over_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "records"
    starts = (0, 5000, 10000)
    records = [encode(Attempt(0, Kind.REQUEST, start, start, Outcome.ANSWERED)) for start in starts]
    path.write_bytes(b"".join(records) + encode(mark(10000)))
    recording = Recording(path, keep=1000)
    recording.read()
    assert [attempt.start for attempt in recording.since(0)] == [10000]


def test_nothing_is_known_while_there_is_no_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "none", keep=1000)
    recording.read()
    assert recording.since(0) == []
