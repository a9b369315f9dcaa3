"""TLS for checks: contexts that all checks of a kind share, and a connection as bytes in and bytes out.

A context is made once and costs tens of milliseconds (the system's authorities); a handshake costs about one. Files
are looked at again after a while, because certificates are renewed in place.
"""

import errno
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.health.aim import BlockedError
from vedette.kit import clock
from vedette.kit.units import SECOND
from vedette.spec.resolved import Tls

LOOK_AGAIN = 10 * SECOND
"""Between two looks at the files of a context (ns)."""
MOST = 256
"""Contexts that are kept."""
_RECEIVE = 16 << 10

_VERIFICATION = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself: name it as `caFile`",
    19: "its certificate is signed by an unknown authority: name that as `caFile`",
    20: "its certificate is signed by an unknown authority: name that as `caFile`",
    21: "its certificate is signed by an unknown authority: name that as `caFile`",
    23: "its certificate is revoked",
}
"""OpenSSL's codes (x509_vfy.h)."""
_NAMES = frozenset({62, 64})

_REASONS = {
    "TLSV1_ALERT_UNKNOWN_CA": "the server refuses our certificate: unknown authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses our certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the server refuses our certificate: it is of the wrong kind",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the server refuses our certificate: it is revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the server refuses our certificate: it has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the server refuses our certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "the server refuses our certificate: its signature is wrong",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate: name `certificateFile` and `keyFile`",
    "TLSV1_ALERT_ACCESS_DENIED": "the server denies us access",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know the name: write another `serverName`",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the server does not know the name: write another `serverName`",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses TLS: no cipher in common, or it wants a client certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server refuses our versions of TLS (1.2 and 1.3)",
    "UNSUPPORTED_PROTOCOL": "the server's version of TLS is older than 1.2",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "the server refuses our ciphers as too weak",
    "TLSV1_ALERT_INTERNAL_ERROR": "the server reports an internal error of its TLS",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "the server does not speak this version of HTTP",
    "NO_APPLICATION_PROTOCOL": "the server does not speak this version of HTTP",
    "DH_KEY_TOO_SMALL": "the server's Diffie-Hellman key is too short",
    "EE_KEY_TOO_SMALL": "the key of the server's certificate is too short",
    "CA_MD_TOO_WEAK": "the server's certificate is signed with a weak hash",
}
"""OpenSSL's names of what went wrong, and what they mean to an operator."""
_NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "UNEXPECTED_MESSAGE",
        "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE", "LENGTH_MISMATCH", "BAD_PACKET_LENGTH",
        "ENCRYPTED_LENGTH_TOO_LONG", "DATA_LENGTH_TOO_LONG", "UNEXPECTED_RECORD", "BAD_LENGTH", "LENGTH_TOO_SHORT",
    }
)  # fmt: skip


class TlsError(Exception):
    """The connection is of no use; the message is fit for an operator."""


@dataclass(slots=True)
class _Context:
    context: ssl.SSLContext
    stamp: tuple[object, ...]
    looked: int


_contexts: dict[tuple[Tls, str], _Context] = {}


def context(tls: Tls, protocol: str) -> ssl.SSLContext:
    """The context for checks like these, with one protocol to offer (ALPN, RFC 7301), or none.

    Raises :class:`BlockedError` when its files are of no use; as long as a context has been made of earlier ones, that
    goes on instead.
    """
    key = Tls(None, tls.verify, tls.ca_file, tls.certificate_file, tls.key_file), protocol
    known, now = _contexts.get(key), clock.boottime()
    if known is not None and now - known.looked < LOOK_AGAIN:
        return known.context
    authorities = _system() if tls.verify and tls.ca_file is None else (tls.ca_file,)
    stamp = tuple(map(_stamp, (*authorities, tls.certificate_file, tls.key_file)))
    if known is not None:
        known.looked = now
        if known.stamp == stamp:
            return known.context
    try:
        made = _make(tls, protocol)
    except BlockedError:
        if known is None:
            raise
        return known.context  # a renewal that is under way, say: certificate and key are two files
    if len(_contexts) >= MOST:
        _contexts.clear()  # those of checks that an edit has removed are among them
    _contexts[key] = _Context(made, stamp, now)
    return made


def _system() -> tuple[str, str]:
    """The file and the directory of the system's authorities, whether they are there or not."""
    paths = ssl.get_default_verify_paths()
    return (
        os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile),
        os.environ.get(paths.openssl_capath_env, paths.openssl_capath),
    )


def _stamp(name: str | None) -> object:
    try:
        status = Path(name).stat() if name else None
    except OSError as error:
        return error.errno
    return status and (status.st_ino, status.st_size, status.st_mtime_ns)


def _make(tls: Tls, protocol: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocol:
        made.set_alpn_protocols([protocol])
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif tls.ca_file is None:
        made.load_default_certs()
    else:
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold the server's own certificate
        _load("caFile", tls.ca_file, lambda name: made.load_verify_locations(name))
    if tls.certificate_file is not None and tls.key_file is not None:
        key = tls.key_file
        _load("certificateFile", tls.certificate_file, lambda name: made.load_cert_chain(name, key, _no_password))
    return made


def _load(what: str, name: str, load: Callable[[str], None]) -> None:
    try:
        load(name)
    except ssl.SSLError as error:
        fits = "its key is another's" if error.reason == "KEY_VALUES_MISMATCH" else "it cannot be read as PEM"
        raise BlockedError(f"{what} {name}: {fits}") from error
    except OSError as error:
        raise BlockedError(f"{what} {name}: {os.strerror(error.errno or errno.EIO).lower()}") from error
    except ValueError as error:
        raise BlockedError(f"{what} {name}: {error}") from error


def _no_password() -> str:
    raise ValueError("its key is encrypted")


class Connection:
    """One TLS connection as a client: what arrives goes into :meth:`receive`, what is to be sent is :meth:`unsent`."""

    __slots__ = ("_incoming", "_name", "_object", "_outgoing", "established")

    def __init__(self, made: ssl.SSLContext, name: str) -> None:
        """``name``: what the certificate must be for, a name or an address; a name is sent too (SNI)."""
        self._incoming, self._outgoing, self._name = ssl.MemoryBIO(), ssl.MemoryBIO(), name
        self._object = made.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.established = False
        self.shake()

    def shake(self) -> None:
        """Go on with the handshake as far as what has arrived allows; raises :class:`TlsError`."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TlsError(reason(error, self._name)) from error
        self.established = True

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Take what has arrived (empty: the server has closed); returns plain text and whether there will be no more.

        Raises :class:`TlsError`.
        """
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        if not self.established:
            self.shake()
            if not self.established:
                return b"", False
        plain = bytearray()
        try:
            while part := self._object.read(_RECEIVE):
                plain += part
        except ssl.SSLWantReadError:
            return bytes(plain), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return bytes(plain), True
        except ssl.SSLError as error:
            if error.reason == "UNEXPECTED_EOF_WHILE_READING":
                return bytes(plain), True
            raise TlsError(reason(error, self._name)) from error
        return bytes(plain), True

    def send(self, plain: bytes) -> None:
        """Encrypt; the handshake is over."""
        if plain:
            self._object.write(plain)

    def unsent(self) -> bytes:
        """What is to be sent next, each byte once."""
        return self._outgoing.read()

    @property
    def protocol(self) -> str | None:
        """The protocol that the server has chosen of those offered."""
        return self._object.selected_alpn_protocol()

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate (DER)."""
        return self._object.getpeercert(binary_form=True)


def reason(error: ssl.SSLError, name: str) -> str:
    """What an error of TLS with the server called ``name`` means, in words fit for an operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAMES:
            return f"its certificate is not for {name}: write another `serverName`"
        return _VERIFICATION.get(error.verify_code, f"its certificate is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING":
        return "connection closed during the TLS handshake"
    word = error.reason or _name_in(str(error))  # Python does not know the names of all errors
    if word in _NOT_TLS:
        return "not a TLS answer"
    return _REASONS.get(word) or f"TLS failed: {word.replace('_', ' ').lower() or 'for no known reason'}"


def _name_in(message: str) -> str:
    """OpenSSL's name of an error in a message like ``[SSL] tlsv1 alert access denied (_ssl.c:1006)``."""
    found = re.search(r"\] (.*) \(", message)
    return found[1].replace(" ", "_").upper() if found else ""


def expiry_notice(not_after: int, warning: int) -> str:
    """What to say of a certificate that ends at ``not_after`` (s since 1970) within ``warning`` (ns); often nothing."""
    left = not_after - time.time()
    if not warning or left * SECOND > warning:
        return ""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(not_after))
    return f"its certificate {'expires' if left > 0 else 'has expired'} on {when}"
