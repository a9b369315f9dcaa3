"""Which firewall marks are Vedette's own, and so nobody else's."""

SERVICES = range(0x56000000, 0x57000000)
"""Of virtual services that IPVS finds by a mark (:mod:`vedette.spec.resolve.marks`)."""
PATHS = range(0x57000000, 0x58000000)
"""Of checks that go through a service (:mod:`vedette.state.paths`)."""
OURS = range(SERVICES.start, PATHS.stop)
