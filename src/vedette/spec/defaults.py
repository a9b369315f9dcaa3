"""What holds where the document says nothing. Times are nanoseconds."""

from vedette.kit.units import DAY, MILLISECOND, MINUTE, SECOND

KEY_FILE = "/etc/vedette/cluster.key"
"""Made by ``vedette init``."""

INTERVAL = 500 * MILLISECOND
"""Between two heartbeats."""

DEAD_AFTER = 3 * SECOND
"""Six intervals: one lost datagram, or two, is no death."""

STARTUP_GRACE = 10 * SECOND
"""Machines that are switched on together differ by seconds in how long they boot."""

LINK, LINK_PORT = "default", 694
"""The one link, on the port that IANA keeps for ha-cluster."""

GROUP = "default"

WATCHDOG = "/dev/watchdog"
WATCHDOG_TIMEOUT = 10 * SECOND
"""A daemon that was killed is back in two or three seconds, on a busy machine too."""

CHECK_INTERVAL = 2 * SECOND
CHECK_TIMEOUT = 1 * SECOND
CHECK_RISE = 2
CHECK_FALL = 3
EXPIRY_WARNING = 14 * DAY

SCHEDULER = "wlc"
PERSISTENCE = 6 * MINUTE
"""As in keepalived."""
GUE_PORT = 6080
"""That IANA keeps for generic UDP encapsulation."""

DRAIN = 60 * SECOND
DAMPING_FAILURES = 3
DAMPING_HALF_LIFE = MINUTE
DAMPING_LONGEST = 10 * MINUTE

PAGE_STATUS = 503
PAGE_BODY = "We are sorry: the service is not available at the moment. Please try again soon.\n"

OFF_TIMEOUT = 20 * SECOND
"""Of a fencing device; the fence agents have the same."""
IPMI_PORT, SNMP_PORT, SSH_PORT = 623, 161, 22
POWER_OFF = "poweroff -f -f"
"""Cuts the power without stopping anything first (poweroff(8)): a node that is fenced must not linger."""
