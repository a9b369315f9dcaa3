"""Established connections are known to every director: the kernel's sync daemons, and dumps of the whole table."""
