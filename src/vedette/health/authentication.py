"""Authentication over HTTP: Basic (RFC 7617) and Digest (RFC 7616, and RFC 2069 where a server offers no ``qop``)."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from vedette.spec.resolved import Credentials

LONGEST = 4096
"""Letters of a challenge that are looked at."""

_PART = re.compile(
    r"""[\s,]*(?:
    (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[!#$%&'*+.^_`|~0-9A-Za-z-]+))
    |(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+))""",
    re.VERBOSE,
)
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see digested. ``session``: the algorithm is one of those that end in ``-sess``."""

    realm: str
    nonce: str
    algorithm: str | None = None
    opaque: str | None = None
    qop: bool = False

    @property
    def session(self) -> bool:
        return self.algorithm is not None and self.algorithm.upper().endswith("-SESS")


def basic(credentials: Credentials) -> str:
    """The value of ``Authorization``."""
    return "Basic " + b64encode(f"{credentials.username}:{credentials.password.text}".encode()).decode()


def challenge(fields: Iterable[str]) -> Challenge | None:
    """The best Digest challenge among the values of ``WWW-Authenticate`` that we can meet; None without one."""
    found = [item for field in fields for item in map(_challenge, _digests(field[:LONGEST])) if item is not None]
    return max(found, key=lambda item: "256" in (item.algorithm or ""), default=None)


def _digests(field: str) -> list[dict[str, str]]:
    """The parameters of each Digest challenge in a field, which may hold several of any scheme."""
    found: list[dict[str, str]] = []
    current: dict[str, str] = {}
    at = 0
    while match := _PART.match(field, at):
        at = match.end()
        if match["scheme"] is not None:
            current = {}
            if match["scheme"].lower() == "digest":
                found.append(current)
        else:
            quoted = match["quoted"]
            current[match["name"].lower()] = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return found


def _challenge(parameters: dict[str, str]) -> Challenge | None:
    algorithm = parameters.get("algorithm")
    if "nonce" not in parameters or (algorithm or "MD5").upper().removesuffix("-SESS") not in _HASHES:
        return None
    offered = [word.strip().lower() for word in parameters.get("qop", "").split(",")]
    if "qop" in parameters and "auth" not in offered:
        return None
    realm, opaque = parameters.get("realm", ""), parameters.get("opaque")
    if not all(_fits(text) for text in (realm, parameters["nonce"], opaque or "")):
        return None
    return Challenge(realm, parameters["nonce"], algorithm, opaque, qop="qop" in parameters)


def _fits(text: str) -> bool:
    """Whether a server's text can be sent back in a header."""
    return all(letter.isprintable() and ord(letter) < 256 for letter in text)


def digest(asked: Challenge, credentials: Credentials, *, method: str, uri: str, count: int, client_nonce: str) -> str:
    """The value of ``Authorization`` for the ``count``-th request (from 1) with this challenge (RFC 7616, 3.4).

    It is meant to be written as Latin-1; what is not ASCII in it is UTF-8.
    """
    algorithm = (asked.algorithm or "MD5").upper().removesuffix("-SESS")

    def hashed(text: bytes) -> str:
        return _HASHES[algorithm](text).hexdigest()

    user, realm = credentials.username.encode(), asked.realm.encode("latin-1")
    secret = hashed(b":".join((user, realm, credentials.password.text.encode())))
    if asked.session:
        secret = hashed(f"{secret}:{asked.nonce}:{client_nonce}".encode("latin-1"))
    what = hashed(f"{method}:{uri}".encode("latin-1"))
    between = f"{asked.nonce}:{count:08x}:{client_nonce}:auth" if asked.qop else asked.nonce
    parts = {
        "username": _quoted(user.decode("latin-1")),
        "realm": _quoted(asked.realm),
        "nonce": _quoted(asked.nonce),
        "uri": _quoted(uri),
        "response": _quoted(hashed(f"{secret}:{between}:{what}".encode("latin-1"))),
    }
    if asked.algorithm is not None:
        parts["algorithm"] = asked.algorithm
    if asked.opaque is not None:
        parts["opaque"] = _quoted(asked.opaque)
    if asked.qop:
        parts |= {"qop": "auth", "nc": f"{count:08x}"}
    if asked.qop or asked.session:
        parts["cnonce"] = _quoted(client_nonce)
    return "Digest " + ", ".join(f"{name}={value}" for name, value in parts.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
