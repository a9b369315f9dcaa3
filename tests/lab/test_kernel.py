"""The machine that driver contract tests run in."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_the_machine_has_ipvs_with_every_scheduler(guest: Kernel) -> None:
    for scheduler in ("wlc", "wrr", "rr", "sh", "mh"):
        done = guest.run("ipvsadm", "-A", "-f", "7", "-s", scheduler)
        assert done.code == 0, done.err
        assert guest.run("ipvsadm", "-D", "-f", "7").code == 0


@pytest.mark.kernel
def test_the_machine_has_the_traffic_control_that_the_gate_needs(guest: Kernel) -> None:
    assert guest.run("tc", "qdisc", "add", "dev", "lo", "clsact").code == 0
    assert guest.run("tc", "qdisc", "del", "dev", "lo", "clsact").code == 0


@pytest.mark.kernel
def test_the_machine_runs_the_project(guest: Kernel) -> None:
    assert guest.python("import vedette, os; print(vedette.__version__, os.uname().nodename)").split()[1] == "kernel"


@pytest.mark.kernel
def test_a_command_that_hangs_is_ended_and_holds_up_no_other(guest: Kernel) -> None:
    assert guest.run("sleep", "60", timeout=0.2).code is None
    assert guest.run("true").code == 0
