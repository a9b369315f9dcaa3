"""What keeper and feeder say to each other is understood as it was meant."""

import pytest

from vedette.watchdog import words


def test_what_is_written_is_read_again_with_blanks_in_the_path() -> None:
    message = words.write("arm", 17, 4_000_000_000, "/dev/my watchdog")
    assert words.read(message, 2) == ([17, 4_000_000_000], "/dev/my watchdog")
    assert words.read(words.write("token", 17), 1) == ([17], "")


@pytest.mark.parametrize("message", [b"arm soon 4 /dev/watchdog", b"token \xff"])
def test_nonsense_is_an_error_that_the_feeder_knows(message: bytes) -> None:
    with pytest.raises(ValueError, match="invalid"):
        words.read(message, 1)
