"""What checks of the slow lane share: where they are written, how they log in, and how over TLS."""

import re
from dataclasses import dataclass, replace

from vedette.spec.model import slow_checks as shapes
from vedette.spec.model.base import Shape
from vedette.spec.probes import Account, Encryption, TlsStart
from vedette.spec.resolve.scope import DeviceFiles, Scope
from vedette.spec.secret import Secret
from vedette.spec.tree import Path

WORD = re.compile(r"[\x21-\x7e]+")
ESCAPE = "put a `\\` before `(`, `[`, `*` …"


@dataclass(frozen=True, slots=True)
class Here:
    """A mapping inside a check: where it is written, and what it may name."""

    scope: Scope
    files: DeviceFiles
    path: Path

    def below(self, *keys: str | int) -> "Here":
        return replace(self, path=(*self.path, *keys))

    @property
    def above(self) -> "Here":
        return replace(self, path=self.path[:-1])

    @property
    def key(self) -> str | int:
        return self.path[-1]

    def fault(self, key: str | int, message: str, remedy: str, *, at_key: bool = False) -> None:
        """Report a fault of a key of this mapping."""
        if self.scope.sound((*self.path, key)):
            self.scope.fault((*self.path, key), message, remedy, at_key=at_key)

    def secret(self, key: str) -> Secret:
        """Return the secret whose file ``key`` of this mapping names."""
        return self.files.secret((*self.path, key, "secretFile"))

    def check_pattern(self, key: str, pattern: str | None) -> None:
        """Report what is no regular expression."""
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError):
            self.fault(key, "this is not a regular expression", ESCAPE)


def tls(written: shapes.OverTls, here: Here) -> Encryption | None:
    if written.tls is None:
        for key, value in (
            ("serverName", written.server_name), ("verify", written.verify), ("caFile", written.ca_file)
        ):  # fmt: skip
            if value is not None:
                here.fault(key, f"`{key}` is for TLS", f"write {_ways(written)} too", at_key=True)
        return None
    if written.server_name is not None and not WORD.fullmatch(written.server_name):
        here.fault("serverName", "a name has no spaces", "write it like mail.example.org")
    if written.verify is False and written.ca_file is not None:
        here.fault("caFile", "`caFile` is of no use with `verify: false`", "keep one of them", at_key=True)
    return Encryption(
        start=TlsStart(written.tls),
        verify=written.verify is not False,
        server_name=written.server_name,
        ca_file=None if written.ca_file is None else here.files.name(written.ca_file),
    )


def account(written: shapes.Login, secure: object, here: Here) -> Account | None:
    """Return whom to log in as; half of a login is a fault, and a password in the clear a warning."""
    check_username(written.username, here)
    if (written.username is None) != (written.password is None):
        there, absent = ("username", "password") if written.password is None else ("password", "username")
        here.fault(there, f"`{there}` needs `{absent}`", f"write `{absent}` too, or leave both out", at_key=True)
    if written.username is None or written.password is None:
        return None
    if secure is None:
        warn_of_clear_text(written, here)
    return Account(written.username, here.secret("password"))


def check_username(username: str | None, here: Here) -> None:
    """Report a name that no server can have heard of."""
    if username is not None and any(not letter.isprintable() for letter in username):
        here.fault("username", "a user name has no control characters", "write one line")


def warn_of_clear_text(written: shapes.Login, here: Here) -> None:
    """Warn of a password without TLS."""
    message = "the password goes over the network in the clear"
    here.scope.findings.warn((*here.path, "password"), message, f"write {_ways(written)}")


def _ways(written: Shape) -> str:
    """The values of `tls` that the protocol knows, as a remedy."""
    known = written.ways if isinstance(written, shapes.OverTls) else shapes.OverTls.ways
    return " or ".join(f"`tls: {way}`" for way in known)
