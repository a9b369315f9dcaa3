"""A person's word that a node is off: refused where anything says that it lives.

It is as strong as a device's proof, so a wrong one can put an address into two places. What can be known here is
checked; what only the person can see is theirs to see.
"""

from typing import Any

from vedette.cluster.council import UNHEARD
from vedette.cluster.events import FenceResult
from vedette.kit.errors import UsageError
from vedette.kit.units import show
from vedette.spec.resolved import ClusterSpec, SplitBrainPolicy
from vedette.state.placement import Liveness, View

_HEARD = frozenset({Liveness.UP, Liveness.LATE})


def read(command: dict[str, Any], spec: ClusterSpec, view: View, *, requested: int | None) -> FenceResult:
    """Check a confirmation; ``requested`` is the incarnation that the core wants off, None = it does not.

    Raises :class:`UsageError` with the reason where it is refused.
    """
    name = str(command.get("node", ""))
    names = [node.name for node in spec.nodes]
    if name not in names:
        raise UsageError(f"there is no node {name} (nodes: {', '.join(names)})")
    if name == view.me:
        raise UsageError(f"{name} is this node, and it is running")
    if command.get("typed") != name:
        raise UsageError("the name of the node was not repeated: nothing is confirmed")
    if requested is None and spec.policy is not SplitBrainPolicy.FENCE:
        raise UsageError(
            f"nothing waits for {name} to be off: the split-brain policy is {spec.policy.value}, and no device is to "
            "switch it off"
        )
    _refuse_the_living(name, view, spec.heartbeat.dead_after, forged=bool(command.get("forged")))
    node = next(node for node in view.nodes if node.name == name)
    incarnation = node.incarnation if requested is None else requested
    return FenceResult(name, incarnation, confirmed=True, reason=f"human: {who(command)}")


def forced(command: dict[str, Any], spec: ClusterSpec, view: View) -> str:
    """Check the word that the present voters can agree on nothing any more; returns whose it is.

    Raises :class:`UsageError` with the reason where it is refused.
    """
    if command.get("typed") != spec.name:
        raise UsageError("the name of the cluster was not repeated: nothing is forced")
    if not view.config.pending:
        raise UsageError("nothing is pending: the document's voters, policy and timings run already")
    if view.config.waits != UNHEARD:
        raise UsageError(
            f"the present voters can agree by themselves: the change {view.config.waits or 'is under way'}"
        )
    me = next(node for node in view.nodes if node.name == view.me)
    if view.now - me.since < view.config.dead_after:
        raise UsageError(f"this daemon has only just started: listen for {show(view.config.dead_after)} first")
    return who(command)


def who(command: dict[str, Any]) -> str:
    """The person, as their shell calls them and as the kernel knows the process that asked."""
    author, uid = str(command.get("author", "")), command.get("uid")
    return f"{author or 'somebody'} (uid {uid})" if isinstance(uid, int) else author or "somebody"


def _refuse_the_living(name: str, view: View, dead_after: int, *, forged: bool) -> None:
    """Anything that was heard of the node within ``dead_after`` (ns) says that it may be running.

    Datagrams that no known key has signed do so too, unless the person says that they are ``forged``.
    """
    node = next(node for node in view.nodes if node.name == name)
    me = next(node for node in view.nodes if node.name == view.me)
    if node.liveness in _HEARD:
        raise UsageError(f"{name} is not off: it is heard from (see vedette status)")
    if node.links:
        raise UsageError(f"{name} is not off: something came from it over {', '.join(node.links)} a moment ago")
    if view.now - me.since < dead_after:
        raise UsageError(f"this daemon has only just started: listen for {show(dead_after)} first")
    if node.refused and view.now - node.refused < dead_after and not forged:
        raise UsageError(
            f"{name} may be running: datagrams in its name came a moment ago, signed with an unknown key. "
            "Was its key changed? Look there first; if somebody forges them, add --forged"
        )
    for lease in view.leases:
        if lease.holder == name and lease.until > view.now:
            raise UsageError(f"{name} has renewed its lease of {lease.group} within {show(dead_after)}: wait that long")
