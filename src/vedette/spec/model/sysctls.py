"""The kernel's settings of its load balancer (Documentation/networking/ipvs-sysctl.rst), by the kernel's names.

Those of connection synchronisation (``sync_*``) follow from ``ipvs.connectionSync`` and are not written here.
"""

from typing import Annotated

from pydantic import Field

from vedette.spec.model.base import Shape, optional

_AS_FOUND = "left as it is found"
Strategy = Annotated[int, Field(ge=0, le=3)]


class IpvsSysctls(Shape):
    """Settings of the kernel's load balancer: net.ipv4.vs.*, with their names in camelCase."""

    conntrack: bool | None = optional("Netfilter tracks the connections of IPVS.", default=_AS_FOUND)
    conn_reuse_mode: Strategy | None = optional(
        "What a new connection from a port that was in use does. 0: goes to the old server. 1: is scheduled anew. "
        "2: 1, also for one that the client is closing.",
        default="1",
    )
    expire_nodest_conn: bool | None = optional(
        "End connections to a destination that was removed, with their next packet.", default="true"
    )
    expire_quiescent_template: bool | None = optional(
        "Persistent clients of a server with weight 0 get another one for new connections.", default="true"
    )
    sloppy_tcp: bool | None = optional("Accept TCP connections in their middle, after a takeover.", default="true")
    sloppy_sctp: bool | None = optional("Accept SCTP associations in their middle, after a takeover.", default="true")
    nat_icmp_send: bool | None = optional(
        "Answer a masqueraded server's packet that belongs to no connection with an ICMP error.", default=_AS_FOUND
    )
    pmtu_disc: bool | None = optional("Tell senders what fits through a tunnel.", default=_AS_FOUND)
    schedule_icmp: bool | None = optional("Schedule ICMP errors that belong to no connection.", default=_AS_FOUND)
    ignore_tunneled: bool | None = optional("Leave packets alone that came out of a tunnel.", default=_AS_FOUND)
    snat_reroute: bool | None = optional("Route translated answers anew, by their new source.", default=_AS_FOUND)
    cache_bypass: bool | None = optional("Forward to the original address where no server is.", default=_AS_FOUND)
    run_estimation: bool | None = optional("Count rates.", default=_AS_FOUND)
    drop_entry: Strategy | None = optional("Strategy of dropping entries under memory pressure.", default=_AS_FOUND)
    drop_packet: Strategy | None = optional("Strategy of dropping packets under memory pressure.", default=_AS_FOUND)
    secure_tcp: Strategy | None = optional("Strategy of strict TCP states under memory pressure.", default=_AS_FOUND)
