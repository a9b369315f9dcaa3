"""Checks of what stands behind other services, directories and databases: from their shape to what is carried out."""

from vedette.spec import directory, values
from vedette.spec.model import slow_checks as shapes
from vedette.spec.probes import Depth, Dialect, GrpcProbe, LdapProbe, RadiusProbe, RedisProbe, Role, SqlProbe
from vedette.spec.resolve.logins import Here, account, check_username, tls, warn_of_clear_text
from vedette.spec.secret import Secret

_LONGEST_PASSWORD = 128
"""Bytes (RFC 2865 section 5.2)."""
_LONGEST_NAME = 253
"""Bytes of an attribute (RFC 2865 section 5)."""


def ldap(written: shapes.Ldap, here: Here) -> LdapProbe:
    if written.filter is not None:
        try:
            directory.encode_filter(written.filter)
        except values.BadValueError as error:
            here.fault("filter", str(error), error.remedy)
    depth = written.scope or ("base" if written.filter is None else "subtree")
    if depth != "base" and written.base is None:
        key = "filter" if written.scope is None else "scope"
        here.fault(key, "the search needs a place to begin", "write `base: dc=example,dc=org`, say", at_key=True)
    secure = tls(written, here)
    return LdapProbe(
        tls=secure,
        account=account(written, written.tls, here),
        base=written.base or "",
        filter=written.filter or "(objectClass=*)",
        depth=Depth(depth),
    )


def sql(written: shapes.Sql, here: Here) -> SqlProbe:
    if written.username is None:
        here.above.fault(here.key, "a database wants to know who asks", "write `username` too", at_key=True)
    for key, value in (("username", written.username), ("database", written.database), ("query", written.query)):
        if value is not None and "\0" in value:
            here.fault(key, "a text holds a zero byte", "leave it out")
    here.check_pattern("expect", written.expect)
    secure = tls(written, here)
    return SqlProbe(
        dialect=Dialect(written.dialect),
        username=written.username or "",
        password=_password(written, written.tls, here),
        database=written.database,
        query=written.query or "SELECT 1",
        expect=written.expect,
        tls=secure,
    )


def redis(written: shapes.Redis, here: Here) -> RedisProbe:
    if written.username is not None and written.password is None:
        here.fault("username", "`username` needs `password`", "write `password` too, or leave both out", at_key=True)
    secure = tls(written, here)
    return RedisProbe(
        tls=secure,
        username=written.username,
        password=_password(written, written.tls, here),
        role=None if written.role is None else Role(written.role),
    )


def radius(written: shapes.Radius, here: Here) -> RadiusProbe:
    if written.username is not None and len(written.username.encode()) > _LONGEST_NAME:
        here.fault("username", f"RADIUS knows names of {_LONGEST_NAME} bytes at most", "write a shorter one")
    who = account(written, here, here)  # the password is hidden by the secret
    if who is not None and len(who.password.text.encode()) > _LONGEST_PASSWORD:
        message = f"RADIUS knows passwords of {_LONGEST_PASSWORD} bytes at most"
        here.fault("password", message, "give the user a shorter one")
    return RadiusProbe(secret=here.secret("secret"), account=who)


def grpc(written: shapes.Grpc, here: Here) -> GrpcProbe:
    return GrpcProbe(service=written.service or "", tls=tls(written, here))


def _password(written: shapes.Sql | shapes.Redis, secure: object, here: Here) -> Secret | None:
    """Return the password, which may stand alone or be missing; in the clear it is a warning."""
    check_username(written.username, here)
    if written.password is None:
        return None
    if secure is None:
        warn_of_clear_text(written, here)
    return here.secret("password")
