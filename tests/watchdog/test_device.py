"""What an operator reads when a watchdog cannot be had; the device itself is tried in a real kernel (in_kernel)."""

import errno
import os

import pytest

from vedette.kit.errors import PermanentError
from vedette.watchdog.device import Device


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOENT, "load its driver"),
        (errno.ENODEV, "load its driver"),
        (errno.EBUSY, "RuntimeWatchdogSec="),
        (errno.EPERM, "DeviceAllow="),
        (errno.EACCES, "DeviceAllow="),
        (errno.EIO, "cannot be opened"),
    ],
)
def test_each_refusal_names_the_device_and_what_to_do(number: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermanentError, match=said) as caught:
        Device("/dev/null", 10)
    assert "/dev/null" in str(caught.value)
