"""TLS for protocols in lines: which context, and for whom the certificate must be."""

import ssl

from vedette.health import tls
from vedette.health.slow.check import FailedError
from vedette.spec.probes import Encryption
from vedette.state.health import Target


def context(encryption: Encryption, protocol: str = "") -> ssl.SSLContext:
    """Return the context of a check, with a protocol to offer (ALPN), if any; raises :class:`BlockedError` when its
    files are of no use."""
    return tls.context(encryption, protocol)


def name(encryption: Encryption, target: Target) -> str:
    """Whom the certificate must be for; also sent as SNI, unless it is an address."""
    return encryption.server_name or str(target.address)


def failure(error: ssl.SSLError, encryption: Encryption, target: Target) -> FailedError:
    """Say what is wrong with the server's TLS."""
    return FailedError(tls.reason(error, name(encryption, target)))
