"""TLS towards servers: contexts are made once, because the system's authorities take megabytes and milliseconds."""

import ssl
from functools import lru_cache
from pathlib import Path

from vedette.health.slow.check import UnableError
from vedette.spec.probes import Tls
from vedette.state.health import Target


def context(tls: Tls) -> ssl.SSLContext:
    """Return the context of a check, a new one when the file of authorities has changed.

    Raises :class:`UnableError` when that cannot be read: the server is not to blame.
    """
    try:
        stamp = Path(tls.ca_file).stat().st_mtime_ns if tls.ca_file is not None else 0
        return _context(tls.verify, tls.ca_file, stamp)
    except OSError as error:  # ssl.SSLError too: no certificates in it
        raise UnableError(f"{tls.ca_file} cannot be used: {error.strerror or 'no certificates in it'}") from None


def name(tls: Tls, target: Target) -> str:
    """Whom the certificate must be for; also sent as SNI, unless it is an address."""
    return tls.server_name or str(target.address)


@lru_cache(maxsize=64)
def _context(verify: bool, ca_file: str | None, stamp: int) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=ca_file)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made
