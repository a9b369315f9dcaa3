"""What is shown of fencing: every plug, what is being done, and loudly what goes wrong."""

from typing import Any

from tests.fencing import documents
from tests.fencing.documents import ASSIGNMENT, SECRET, A

from vedette.api import fencing
from vedette.api.status import Clocks, Plain
from vedette.fencing.messages import FenceReport, PlugReport, Report, Wanted
from vedette.kit import plain
from vedette.kit.units import MINUTE, SECOND
from vedette.spec.resolved import ClusterSpec, FencingDevice, FencingUse, Heartbeat, Manual, SplitBrainPolicy
from vedette.state.placement import Liveness, NodeView, View

HAND = FencingDevice("hand", SECOND, Manual())
SPEC = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=(A, documents.node("b", (FencingUse("bmc-b"),), (FencingUse("hand"),))),
    keys=(),
    heartbeat=Heartbeat(interval=SECOND, warn_after=SECOND, dead_after=3 * SECOND, startup_grace=SECOND, links=()),
    policy=SplitBrainPolicy.FENCE,
    groups=(),
    fencing_devices=(*ASSIGNMENT.devices, HAND),
)
CLOCKS = Clocks(boottime=100 * SECOND, wall=1_800_000_000 * SECOND)


def plug(node: str, device: str, name: str | None = None, **fields: Any) -> PlugReport:
    seen: dict[str, Any] = {
        "power": "on",
        "since": SECOND,
        "read": 90 * SECOND,
        "trusted": True,
        "problem": "",
    } | fields
    return PlugReport(node=node, device=device, plug=name, **seen)


PLUGS = (plug("a", "bmc-a"), plug("a", "pdu", "3"), plug("b", "bmc-b"))


def answer(
    *,
    b: Liveness = Liveness.UP,
    plugs: tuple[PlugReport, ...] = PLUGS,
    fence: FenceReport | None = None,
    clocks: Clocks = CLOCKS,
    **known: Any,
) -> Plain:
    def node(name: str, liveness: Liveness) -> NodeView:
        return NodeView(name, liveness, 1, ready=True, holds=(), links=(), revision=1, digest="", incarnation=5)

    view = View(me="a", now=1, quorum=True, nodes=(node("a", Liveness.UP), node("b", b)), leases=())
    wanted = [plain.dump(Wanted("b", 5, asked=80 * SECOND, wait=0))] if fence else []
    report = plain.dump(Report(plugs, (fence,) if fence else ()))
    told = {"report": report, "wanted": wanted, "off": {}, "problem": ""} | known
    return fencing.fencing(SPEC, told, view, clocks)


def under_way(**fields: Any) -> FenceReport:
    state: dict[str, Any] = {
        "phase": "switching off",
        "level": 1,
        "rounds": 1,
        "until": 0,
        "failure": "",
        "proof": "",
    } | fields
    return FenceReport(node="b", incarnation=5, asked=80 * SECOND, **state)


def messages(shown: Plain) -> str:
    return " | ".join(f"{problem['scope']}: {problem['message']}" for problem in shown["problems"])


def test_plugs_that_read_on_while_their_nodes_live_are_well() -> None:
    shown = answer()
    assert shown["problems"] == []
    assert fencing.unproved(shown) == []
    assert [fencing.summary(node) for node in shown["nodes"]] == ["on", "on"]


def test_a_living_nodes_plug_that_reads_otherwise_cannot_be_relied_on() -> None:
    for power in ("off", "unknown"):
        shown = answer(plugs=(*PLUGS[:2], plug("b", "bmc-b", power=power)))
        assert fencing.unproved(shown) == ["b: bmc-b"]


def test_a_silent_nodes_plug_may_read_what_it_wants() -> None:
    assert fencing.unproved(answer(b=Liveness.DEAD, plugs=(*PLUGS[:2], plug("b", "bmc-b", power="off")))) == []


def test_a_reading_that_is_too_old_to_say_anything_is_a_problem() -> None:
    later = Clocks(boottime=CLOCKS.boottime + 6 * MINUTE, wall=CLOCKS.wall)
    shown = answer(clocks=later, plugs=(*PLUGS[:2], plug("b", "bmc-b", read=later.boottime - 4 * MINUTE)))
    assert messages(shown) == (
        "fencing of a: bmc-a was last read 6 min ago: what it reads now is not known | "
        "fencing of a: pdu plug 3 was last read 6 min ago: what it reads now is not known"
    )
    assert fencing.summary(shown["nodes"][0]) == "in doubt"


def test_a_plug_that_was_never_read_has_no_old_reading() -> None:
    shown = answer(plugs=(*PLUGS[:2], plug("b", "bmc-b", power="unknown", read=0, since=0)))
    assert shown["problems"] == []
    assert fencing.unproved(shown) == ["b: bmc-b"]


def test_a_person_is_no_plug() -> None:
    assert answer()["nodes"][1]["levels"][1][0]["kind"] == "manual"
    assert fencing.unproved(answer()) == []


def test_a_doubted_plug_is_a_problem_of_its_node() -> None:
    shown = answer(plugs=(*PLUGS[:2], plug("b", "bmc-b", power="off", problem="reads off while its node lives")))
    assert messages(shown) == "fencing of b: bmc-b reads off while its node lives"
    assert fencing.summary(shown["nodes"][1]) == "in doubt"


def test_a_fence_under_way_says_how_far_it_is() -> None:
    shown = answer(b=Liveness.DEAD, fence=under_way())
    assert messages(shown) == "fencing of b: under way: switching off"
    assert fencing.summary(shown["nodes"][1]) == "being fenced"


def test_a_fence_that_fails_is_loud_and_says_what_a_person_can_do() -> None:
    shown = answer(b=Liveness.DEAD, fence=under_way(rounds=4, failure="level 1: bmc-b says failed: wrong password"))
    assert "FAILED 4 times" in messages(shown)
    assert "wrong password" in messages(shown)
    assert "vedette confirm-off b" in messages(shown)
    assert fencing.summary(shown["nodes"][1]) == "failed"


def test_a_node_that_is_off_says_on_whose_word_and_is_no_problem() -> None:
    shown = answer(b=Liveness.DEAD, off={"b": "human: ann"})
    assert shown["nodes"][1]["off"] == "human: ann"
    assert shown["problems"] == []
    assert fencing.summary(shown["nodes"][1]) == "off"


def test_what_is_only_assumed_is_not_called_off() -> None:
    shown = answer(b=Liveness.DEAD, off={"b": "assumed: its watchdog has fired"})
    assert fencing.summary(shown["nodes"][1]) == "assumed"
    assert "assumed and not verified" in messages(shown)


def test_a_fencer_that_is_away_is_a_problem() -> None:
    assert messages(answer(problem="the fencer is being restarted: killed")) == (
        "fencer: the fencer is being restarted: killed"
    )


def test_before_the_fencer_has_said_anything_nothing_is_relied_on() -> None:
    shown = answer(report=None)
    assert fencing.unproved(shown) == ["a: bmc-a", "a: pdu plug 3", "b: bmc-b"]


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(answer())
