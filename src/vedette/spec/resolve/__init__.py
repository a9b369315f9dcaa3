"""From the document as written to what it means; faults that only show between its parts are found here."""

from vedette.spec.findings import Findings
from vedette.spec.model import HACluster
from vedette.spec.resolve import cluster, connections, devices, fencing, groups, interfaces, kernel, nodes
from vedette.spec.resolve.expansions import Expansions
from vedette.spec.resolve.scope import Companions, DeviceFiles, Scope
from vedette.spec.resolve.services import Services
from vedette.spec.resolved import ClusterSpec, Key


def resolve(
    document: HACluster,
    findings: Findings,
    *,
    digest: str,
    keys: tuple[Key, ...],
    files: DeviceFiles,
    companions: Companions,
    expansions: Expansions | None = None,
) -> ClusterSpec:
    """Return what the document means. ``expansions`` of the document before this one save time.

    When ``findings`` holds problems afterwards, the result is a guess about a faulty document and must not be used.
    """
    scope = Scope(document.spec, findings, expansions or Expansions(), companions)
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
    services = Services(scope, all_groups, groups.address_book(scope, addresses), files)
    return ClusterSpec(
        name=document.metadata.name,
        digest=digest,
        nodes=all_nodes,
        keys=keys,
        heartbeat=heartbeat,
        policy=policy,
        groups=all_groups,
        virtual_services=services.resolve(),
        **kernel.resolve(scope),
        fencing_devices=all_devices,
        watchdog=watchdog,
        assume_watchdog=cluster.resolve_assumption(scope, watchdog),
        spec_sync=nodes.resolve_spec_sync(scope),
        connection_sync=connections.resolve_connection_sync(scope, all_nodes, links),
        ping_nodes=nodes.resolve_ping_nodes(
            scope, frozenset(item.address for group in all_groups for item in group.addresses)
        ),
    )
