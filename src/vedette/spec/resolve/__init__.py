"""From the document as written to what it means; faults that only show between its parts are found here."""

from vedette.spec.findings import Findings
from vedette.spec.model import HACluster
from vedette.spec.model.balancing import Ipvs
from vedette.spec.model.balancing import IpvsTimeouts as WrittenTimeouts
from vedette.spec.resolve import cluster, devices, fencing, groups, interfaces, nodes
from vedette.spec.resolve.expansions import Expansions
from vedette.spec.resolve.scope import DeviceFiles, Scope
from vedette.spec.resolve.services import Services
from vedette.spec.resolved import ClusterSpec, IpvsTimeouts, Key


def resolve(
    document: HACluster,
    findings: Findings,
    *,
    digest: str,
    keys: tuple[Key, ...],
    files: DeviceFiles,
    expansions: Expansions | None = None,
) -> ClusterSpec:
    """Return what the document means. ``expansions`` of the document before this one save time.

    When ``findings`` holds problems afterwards, the result is a guess about a faulty document and must not be used.
    """
    scope = Scope(document.spec, findings, expansions or Expansions())
    all_devices = devices.resolve_devices(scope, files)
    all_nodes = nodes.resolve_nodes(scope)
    links = nodes.resolve_links(scope)
    heartbeat = cluster.resolve_heartbeat(scope, links)
    policy = cluster.resolve_policy(scope, all_nodes)
    fencing.check(scope, all_nodes, all_devices, policy, heartbeat)
    watchdog = cluster.resolve_watchdog(scope)
    addresses = groups.expand(scope)
    all_groups = groups.resolve_groups(scope, all_nodes, addresses)
    interfaces.check(scope, all_nodes, all_groups, links)
    services = Services(scope, all_groups, groups.address_book(scope, addresses))
    return ClusterSpec(
        name=document.metadata.name,
        digest=digest,
        nodes=all_nodes,
        keys=keys,
        heartbeat=heartbeat,
        policy=policy,
        groups=all_groups,
        virtual_services=services.resolve(),
        ipvs_timeouts=_timeouts(scope),
        fencing_devices=all_devices,
        watchdog=watchdog,
        assume_watchdog=cluster.resolve_assumption(scope, watchdog),
        spec_sync=nodes.resolve_spec_sync(scope),
        ping_nodes=nodes.resolve_ping_nodes(
            scope, frozenset(item.address for group in all_groups for item in group.addresses)
        ),
    )


def _timeouts(scope: Scope) -> IpvsTimeouts:
    written = (scope.spec.ipvs or Ipvs.model_construct()).timeouts or WrittenTimeouts.model_construct()
    path = ("spec", "ipvs", "timeouts")
    return IpvsTimeouts(
        tcp=cluster.whole_seconds(scope, written.tcp, (*path, "tcp")),
        tcp_fin=cluster.whole_seconds(scope, written.tcp_fin, (*path, "tcpFin")),
        udp=cluster.whole_seconds(scope, written.udp, (*path, "udp")),
    )
