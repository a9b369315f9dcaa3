"""How a server and a check prove to each other who they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tls:
    """``server_name`` None: the host's name if it is one, else the address. ``ca_file`` None: the system's.

    ``expiry_warning`` (ns) before the certificate ends there is a notice; 0 = never.
    """

    server_name: str | None = None
    verify: bool = True
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    expiry_warning: int = 0
