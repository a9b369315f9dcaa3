"""Redis and what speaks its protocol: PING, and where the check says so TLS, a login and a role (RESP 2)."""

from vedette.health import reasons
from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import LINE, Conversation
from vedette.spec.probes import RedisProbe, Role
from vedette.state.health import Target

_DEEPEST, _MOST = 4, 1024
"""Levels and items of an answer that is read; that to ROLE has a few."""
_ROLES = {b"master": Role.MASTER, b"slave": Role.REPLICA}

Value = bytes | int | None | list["Value"]


class _ReplyError(FailedError):
    """The server has answered by an error."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, RedisProbe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            if probe.password is not None:
                names = () if probe.username is None else (probe.username,)
                await _ask(conversation, "AUTH", *names, probe.password.text)
            pong = await _ask(conversation, "PING")
            if pong != b"PONG":
                raise FailedError("PING answered by something else than PONG")
            reason = "PONG" if probe.role is None else await _play(conversation, probe.role)
        return Passed(reason)

    return check


async def _play(conversation: Conversation, wanted: Role) -> str:
    """Ask for the server's role and compare it; returns what there is to say of it."""
    answer = await _ask(conversation, "ROLE")
    role = answer[0] if isinstance(answer, list) and answer else None
    if not isinstance(role, bytes):
        raise FailedError("ROLE answered by something else than a role")
    found = _ROLES.get(role)
    if found is not wanted:
        shown = found.value if found is not None else reasons.quoted(role[:40])
        raise FailedError(f"the server is a {shown}, expected a {wanted.value}")
    return f"PONG, {wanted.value}"


async def _ask(conversation: Conversation, *words: str) -> Value:
    """Send a command as an array of strings, and read its answer."""
    encoded = [word.encode() for word in words]
    await conversation.send(
        b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
    )
    try:
        return await _value(conversation, f"the answer to {words[0]}", _DEEPEST)
    except _ReplyError as error:
        raise FailedError(f"{words[0]} answered by “{error}”") from None


async def _value(conversation: Conversation, awaited: str, depth: int) -> Value:
    line = await conversation.line(awaited)
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise _ReplyError(reasons.quoted(rest[:120]))
    if kind not in (b":", b"$", b"*"):
        raise _foreign(line)
    size = _number(rest, line)
    if kind == b":":
        return size
    if size == -1:
        return None
    if kind == b"$" and 0 <= size <= LINE:
        text = await conversation.exactly(size + 2, awaited)
        if not text.endswith(b"\r\n"):
            raise _foreign(text)
        return text[:-2]
    if kind == b"*" and 0 <= size <= _MOST and depth:
        return [await _value(conversation, awaited, depth - 1) for _ in range(size)]
    raise FailedError(f"an endless answer in place of {awaited}")


def _number(digits: bytes, line: bytes) -> int:
    if not digits.removeprefix(b"-").isdigit() or len(digits) > 20:
        raise _foreign(line)
    return int(digits)


def _foreign(line: bytes) -> FailedError:
    return FailedError(f"not Redis: “{reasons.quoted(line[:80])}”")
