"""SIP: OPTIONS must be answered (RFC 3261 section 11)."""

import re
import secrets
from functools import partial

from vedette.health import reasons
from vedette.health.slow import exchange
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import connect
from vedette.kit import net
from vedette.spec.probes import SipProbe, Transport
from vedette.state.health import Target

MOST_LINES = 128
"""Lines of a header."""
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ?(.*)")


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, SipProbe)

    async def check(progress: Progress) -> Passed:
        call = secrets.token_hex(12)
        progress.stage = "to OPTIONS"
        if probe.transport is Transport.UDP:
            with exchange.opened(target) as port:
                host, number = port.getsockname()[:2]
                request = _request(target, probe, call, host, number)
                status, phrase = await exchange.converse(port, request, partial(_final, call))
        else:
            status, phrase = await _over_tcp(target, probe, call, progress)
        if not any(low <= status <= high for low, high in probe.statuses):
            raise FailedError(f"OPTIONS answered by {status} {phrase}")
        return Passed(f"status {status}")

    return check


async def _over_tcp(target: Target, probe: SipProbe, call: str, progress: Progress) -> tuple[int, str]:
    async with connect(target, progress) as conversation:
        host, port = conversation.local_address, conversation.local_port
        await conversation.send(_request(target, probe, call, host, port))
        while True:
            lines = [await conversation.line("the answer to OPTIONS")]
            if not _STATUS_LINE.fullmatch(lines[0]):
                raise FailedError(f"not SIP: “{reasons.quoted(lines[0][:80])}”")
            while lines[-1]:
                if len(lines) > MOST_LINES:
                    raise FailedError("an endless header")
                lines.append(await conversation.line("the answer to OPTIONS"))
            found = _final(call, b"\r\n".join(lines) + b"\r\n")
            if found is not None:
                return found
            await conversation.exactly(_length(lines), "the answer to OPTIONS")


def _request(target: Target, probe: SipProbe, call: str, host: str, port: int) -> bytes:
    """An OPTIONS request for the server itself; the Call-ID tells its answer from others."""
    ours, theirs = _host(host), _host(str(target.address))
    user = f"{probe.username}@" if probe.username is not None else ""
    uri = f"sip:{user}{theirs}:{target.port}"
    transport = probe.transport.name
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {ours}:{port};branch=z9hG4bK{call};rport",
        "Max-Forwards: 70",
        f"From: <sip:vedette@{ours}>;tag={call}",
        f"To: <{uri}>",
        f"Call-ID: {call}@{ours}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:vedette@{ours}:{port}>",
        "Accept: application/sdp",
        "User-Agent: vedette",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _host(address: str) -> str:
    return f"[{address}]" if net.parse(address).version == 6 else address


def _final(call: str, message: bytes) -> tuple[int, str] | None:
    """Status and phrase of the final answer to our call; None for everything else."""
    lines = message.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None or status[1].startswith(b"1"):
        return None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"call-id", b"i"):
            if value.strip().startswith(call.encode()):
                return int(status[1]), reasons.quoted(status[2][:80])
            return None
    return None


def _length(lines: list[bytes]) -> int:
    """How long the body of a message is that is skipped (section 18.3)."""
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"l") and value.strip().isdigit():
            return int(value.strip()[:9])
    return 0
