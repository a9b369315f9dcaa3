"""The whole daemon on a machine whose watchdog bites: what must end the machine does, and nothing else.

The kernel of these machines has a softdog with ``nowayout``, as Debian's has. That a machine lives is looked at for
longer than the time-out; that one ends is waited for.
"""

import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import kernel

from vedette.kit.errors import TransientError
from vedette.kit.units import seconds
from vedette.lab import home
from vedette.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NODE = "router"
PATIENCE = 90.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if (lack := kernel.missing()) is not None:
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="labs-") as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv(home.PLACE, place)
        with Lab.up(Path(__file__).with_name("alone.yaml"), name="bites") as lab:
            yield lab


@pytest.fixture
def router(lab: Lab) -> Lab:
    """The machine is on, its daemon runs and its watchdog is armed."""
    if not lab.machines[NODE].alive:
        lab.machines[NODE].power_on()
    if lab.daemon_pid(NODE) is None:
        lab.start_daemon(NODE)
    wait(lambda: armed(lab), log=lab.daemon_log(NODE))
    return lab


def wait(condition: Callable[[], bool], *, log: Path | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-4000:] if log is not None else "it did not happen"
        time.sleep(0.2)


def armed(lab: Lab) -> bool:
    try:
        done = lab.machines[NODE].run(["vedette", "status", "-o", "json"], timeout=20)
        return bool((json.loads(done.out)["watchdog"] or {}).get("armed"))
    except (TransientError, ValueError):
        return False


def lives(lab: Lab) -> bool:
    """Whether the machine is still there when its watchdog would have bitten."""
    assert lab.spec.watchdog is not None
    time.sleep(1.5 * seconds(lab.spec.watchdog.timeout))
    return lab.machines[NODE].alive


def resets(lab: Lab) -> bool:
    wait(lambda: not lab.machines[NODE].alive)
    return True


def test_a_machine_whose_daemon_is_restarted_in_place_lives(router: Lab) -> None:
    before = router.daemon_pid(NODE)
    assert router.machines[NODE].run(["vedette", "restart"], timeout=20).code == 0
    assert lives(router)
    assert armed(router)
    assert router.daemon_pid(NODE) not in (None, before)


def test_a_machine_whose_daemon_is_killed_and_started_again_in_time_lives(router: Lab) -> None:
    router.signal_daemon(NODE, signal.SIGKILL)
    wait(lambda: router.daemon_pid(NODE) is None)
    router.start_daemon(NODE)
    assert lives(router)
    assert armed(router)


def test_a_machine_whose_daemon_is_stopped_properly_lives(router: Lab) -> None:
    router.signal_daemon(NODE, signal.SIGTERM)
    wait(lambda: router.daemon_pid(NODE) is None)
    assert lives(router)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_machine_whose_daemon_is_frozen_or_killed_for_good_is_reset(router: Lab, number: signal.Signals) -> None:
    router.signal_daemon(NODE, number)
    assert resets(router)
