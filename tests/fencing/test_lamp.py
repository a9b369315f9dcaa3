"""Which answers are proof, and which never are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.fencing.answers import Answer, Said
from vedette.fencing.lamp import Lamp

ON, OFF, UNKNOWN, FAILED, SILENT = Said.ON, Said.OFF, Said.UNKNOWN, Said.FAILED, Said.SILENT


def lamp(*said: Said) -> Lamp:
    shown = Lamp()
    for word in said:
        shown.take(Answer(word, 1))
    return shown


@pytest.mark.parametrize(
    ("said", "proof"),
    [
        ((ON, OFF, OFF), True),
        ((ON, UNKNOWN, OFF, OFF), True),
        ((ON, OFF), False),
        ((ON, OFF, ON, OFF), False),
        ((ON, OFF, UNKNOWN, OFF), False),
        ((ON, OFF, FAILED, OFF), False),
        ((ON, OFF, OFF, ON), False),
        ((OFF, OFF), False),
        ((UNKNOWN, OFF, OFF, OFF), False),
        ((ON, UNKNOWN, UNKNOWN), False),
        ((ON, FAILED, FAILED), False),
        ((ON, SILENT, SILENT), False),
    ],
)
def test_on_then_off_twice_in_a_row_is_proof_and_nothing_less(said: tuple[Said, ...], proof: bool) -> None:
    assert lamp(*said).proves(trusted=False) is proof


def test_off_from_a_plug_that_was_seen_on_while_its_node_lived_is_proof() -> None:
    assert lamp(OFF, OFF).proves(trusted=True)
    assert not lamp(OFF).proves(trusted=True)


def test_a_plug_that_read_off_while_its_node_lived_proves_nothing() -> None:
    """Another machine behind it may have been switched on since."""
    assert not lamp(ON, OFF, OFF).proves(trusted=False, doubted=True)


def test_a_controller_that_dies_with_its_node_leaves_its_word() -> None:
    dead = lamp(ON, OFF, OFF, SILENT)
    dead.take(Answer(FAILED, 1, unreachable=True))
    assert dead.proves(trusted=False)


@pytest.mark.parametrize("said", [FAILED, UNKNOWN, ON])
def test_a_device_that_goes_on_to_say_something_else_takes_its_word_back(said: Said) -> None:
    assert not lamp(ON, OFF, OFF, said).proves(trusted=True)


def test_a_new_try_starts_counting_anew_but_knows_what_was_on() -> None:
    shown = lamp(ON, OFF, OFF)
    shown.restart()
    assert not shown.proves(trusted=True)
    shown.take(Answer(OFF, 2))
    shown.take(Answer(OFF, 3))
    assert shown.proves(trusted=False)


@given(st.lists(st.sampled_from([ON, UNKNOWN, FAILED, SILENT, Said.ACCEPTED, Said.YIELDED])), st.booleans())
def test_without_the_word_off_nothing_is_proof(said: list[Said], trusted: bool) -> None:
    assert not lamp(*said).proves(trusted=trusted)


@given(st.lists(st.sampled_from([OFF, UNKNOWN, FAILED, SILENT, Said.ACCEPTED, Said.YIELDED])))
def test_a_plug_that_nobody_ever_saw_on_proves_nothing(said: list[Said]) -> None:
    assert not lamp(*said).proves(trusted=False)
