"""The daemon, one of its helper processes, or the whole machine stops: killed, frozen, restarted."""

import signal

from vedette.kit.units import SECOND
from vedette.lab.drills import expectations, helpers
from vedette.lab.drills.drill import Drill, everyone, revive
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.fencing import switched_off_first
from vedette.lab.drills.ground import Ground, needs_group, needs_idle_director, needs_other_director, needs_service
from vedette.lab.drills.scene import PATIENCE, Scene


def _kill_daemon(scene: Scene) -> None:
    scene.faults.signal_daemon(scene.active, signal.SIGKILL)


def _stop_daemon(scene: Scene) -> None:
    scene.faults.signal_daemon(scene.active, signal.SIGSTOP)


def _continue_daemon(scene: Scene) -> None:
    """Let it go on; where a watchdog or a fencing device was quicker, the machine is switched on again."""
    if scene.lab.daemon_pid(scene.active) is not None:
        scene.faults.signal_daemon(scene.active, signal.SIGCONT)
    scene.faults.revive_all()


def _needs_watchdog(ground: Ground) -> str | None:
    if ground.spec.watchdog is None:
        return "the document has no watchdog"
    return needs_other_director(ground)


def _let_the_watchdog_bite(scene: Scene) -> None:
    """Freeze the daemon and wait for the machine's end: the watchdog has its whole time-out for it."""
    assert scene.ground.spec.watchdog is not None
    scene.faults.signal_daemon(scene.active, signal.SIGSTOP)
    if not scene.wait(
        lambda: not scene.faults.powered(scene.active), patience=scene.ground.spec.watchdog.timeout + PATIENCE
    ):
        scene.complain(f"{scene.active} still runs: its watchdog did not bite")


def _freeze(scene: Scene) -> None:
    scene.faults.freeze(scene.active)


def _thaw(scene: Scene) -> None:
    scene.faults.thaw(scene.active)


def _outlasted(scene: Scene) -> bool:
    """Somebody else holds the group, and the fault lasted longer than any lease that was given before it."""
    return scene.passed(2 * scene.ground.spec.heartbeat.dead_after) and scene.taken_over()


def _kill_helper(scene: Scene, name: str) -> None:
    status = scene.operator.status(scene.active)
    scene.killed = helpers.find(name, status) if status is not None else None
    if scene.killed is None:
        scene.complain(f"{scene.active} has no process {name}")
        return
    scene.lab.machines[scene.active].run(["kill", "-KILL", str(scene.killed.pid)])


def _kill_checker(scene: Scene) -> None:
    _kill_helper(scene, "checker")


def _kill_director(scene: Scene) -> None:
    _kill_helper(scene, "director")


def _helpers_work(scene: Scene) -> bool:
    """The killed helper lives again and the daemon reports no trouble."""
    return scene.passed(expectations.CALM) and _helper_is_back(scene) and scene.flowing()


def _helper_is_back(scene: Scene) -> bool:
    status = scene.operator.status_now_and_then(scene.active)
    return status is not None and scene.killed is not None and scene.killed.replaced(status)


def _kernel_kept(scene: Scene) -> list[str]:
    """Whatever was remembered is as it was."""
    return scene.kernels.changes()


def _remember_patient(scene: Scene) -> None:
    scene.kernels.remember(scene.patient)


def _remember_active(scene: Scene) -> None:
    scene.kernels.remember(scene.active)


def _restart(scene: Scene) -> None:
    """A clean restart of a director that can be spared; of the only director, of that one."""
    node = scene.patient
    scene.faults.signal_daemon(node, signal.SIGTERM)
    if not scene.wait(lambda: scene.lab.daemon_pid(node) is None):
        scene.complain(f"the daemon of {node} does not stop")
    scene.faults.start_daemon(node)


def _replace(scene: Scene) -> None:
    """A restart in place, of the very daemon that holds the addresses."""
    scene.operator.vedette(scene.active, "restart")


def _replaced(scene: Scene) -> bool:
    """The new process has had time to begin, and every daemon is content."""
    return scene.passed(3 * SECOND) and scene.settled()


def _restartable(ground: Ground) -> str | None:
    """A director that holds something and can hand it over does so when it is stopped, which changes much."""
    return needs_group(ground) if len(ground.candidates) < 2 else needs_idle_director(ground)


def _restarted(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing changes in the kernel")


def _unharmed(_: Ground) -> Expectation:
    return expectations.nothing_lost("no address, no table entry lost")


def _replace_all(scene: Scene) -> None:
    """One node after the other, each as soon as the one before is content again; the active one first."""
    for node in sorted(scene.lab.machines, key=lambda name: name != scene.active):
        scene.operator.vedette(node, "restart")
        scene.pause(3 * SECOND)
        if not scene.wait(scene.settled):
            scene.complain(f"the cluster does not settle after the restart of {node}")
            return


DRILLS = (
    Drill(
        name="daemon-killed",
        summary="the active router's daemon is killed (SIGKILL) and not restarted: its kernel stops answering",
        skip=needs_other_director,
        expect=lambda ground: expectations.takeover(ground.spec),
        inject=_kill_daemon,
        over=_outlasted,
        verify=switched_off_first,
        heal=revive,
    ),
    Drill(
        name="daemon-frozen",
        summary="the active router's daemon is stopped for longer than its lease (SIGSTOP), then goes on",
        skip=needs_other_director,
        expect=lambda ground: expectations.takeover(ground.spec, partition=True),
        inject=_stop_daemon,
        over=_outlasted,
        verify=switched_off_first,
        heal=_continue_daemon,
    ),
    Drill(
        name="watchdog-bites",
        summary="the active router's daemon is frozen for good (SIGSTOP): the watchdog resets the machine",
        skip=_needs_watchdog,
        expect=lambda ground: expectations.takeover(ground.spec),
        inject=_let_the_watchdog_bite,
        over=Scene.taken_over,
        heal=revive,
    ),
    Drill(
        name="machine-frozen",
        summary="the whole active router is frozen for longer than its lease, then thawed",
        skip=needs_other_director,
        expect=lambda ground: expectations.takeover(ground.spec, partition=True),
        inject=_freeze,
        over=_outlasted,
        verify=switched_off_first,
        heal=_thaw,
    ),
    Drill(
        name="checker-killed",
        summary="the active router's checker process is killed; it is restarted",
        skip=needs_service,
        expect=_unharmed,
        prepare=_remember_active,
        inject=_kill_checker,
        over=_helpers_work,
        verify=_kernel_kept,
    ),
    Drill(
        name="director-killed",
        summary="the active router's director process is killed; it is restarted",
        skip=needs_group,
        expect=_unharmed,
        prepare=_remember_active,
        inject=_kill_director,
        over=_helpers_work,
        verify=_kernel_kept,
    ),
    Drill(
        name="daemon-restarted",
        summary="the daemon of a standby (of the only router: its own) is stopped and started with the same document",
        skip=_restartable,
        expect=_restarted,
        prepare=_remember_patient,
        inject=_restart,
        over=Scene.settled,
        verify=_kernel_kept,
    ),
    Drill(
        name="daemon-replaced",
        summary="the active router's daemon is restarted in place (vedette restart)",
        skip=needs_group,
        expect=_restarted,
        prepare=_remember_active,
        inject=_replace,
        over=_replaced,
        verify=_kernel_kept,
    ),
    Drill(
        name="rolling-restart",
        summary="the daemon of every node is restarted in place, one after the other",
        skip=needs_other_director,
        expect=_restarted,
        prepare=_remember_active,
        inject=_replace_all,
        over=Scene.settled,
        verify=_kernel_kept,
        concern=everyone,
    ),
)
