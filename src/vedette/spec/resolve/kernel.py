"""Settings of the kernel's load balancer as a whole: time-outs, sysctls, and whose the table is."""

from typing import Any

from vedette.spec.model import anatomy
from vedette.spec.model.balancing import Ipvs
from vedette.spec.model.balancing import IpvsTimeouts as WrittenTimeouts
from vedette.spec.model.sysctls import IpvsSysctls
from vedette.spec.resolve import cluster
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import IpvsTimeouts

KEPT = {
    "sloppy_tcp": 1,
    "sloppy_sctp": 1,
    "expire_nodest_conn": 1,
    "expire_quiescent_template": 1,
    "conn_reuse_mode": 1,
}
"""Kept where the document says nothing; reasons in docs/design/ipvs.md."""


def resolve(scope: Scope) -> dict[str, Any]:
    """What :class:`~vedette.spec.resolved.ClusterSpec` has of ``spec.ipvs``."""
    written = scope.spec.ipvs or Ipvs.model_construct()
    return {
        "ipvs_timeouts": _timeouts(scope, written.timeouts or WrittenTimeouts.model_construct()),
        "ipvs_sysctls": KEPT | _sysctls(written.sysctls or IpvsSysctls.model_construct()),
        "ipvs_exclusive": bool(written.exclusive),
        "drop_untranslated": written.untranslated != "forward",
    }


def _sysctls(written: IpvsSysctls) -> dict[str, int]:
    values = {part.attribute: getattr(written, part.attribute) for part in anatomy.parts(IpvsSysctls).values()}
    return {name: int(value) for name, value in values.items() if value is not None}


def _timeouts(scope: Scope, written: WrittenTimeouts) -> IpvsTimeouts:
    path = ("spec", "ipvs", "timeouts")
    return IpvsTimeouts(
        tcp=cluster.whole_seconds(scope, written.tcp, (*path, "tcp")),
        tcp_fin=cluster.whole_seconds(scope, written.tcp_fin, (*path, "tcpFin")),
        udp=cluster.whole_seconds(scope, written.udp, (*path, "udp")),
    )
