"""DNS: a query must be answered, with a certain record if one is asked for (RFC 1035)."""

import struct
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import connect
from vedette.health.slow.exchange import ask
from vedette.spec.probes import DnsProbe, Transport
from vedette.state.health import Target

PAYLOAD = 1232
"""Bytes that fit through every path without fragments (DNS flag day 2020); longer answers come over TCP."""
_SHOWN = 3
"""Records of a wrong answer that a reason names."""
_TEXTS = (dns.rdatatype.TXT, dns.rdatatype.SPF)


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, DnsProbe)
    try:
        name = dns.name.from_text(probe.name)
        kind = dns.rdatatype.from_text(probe.type)
        wanted = None if probe.expect is None else _record(kind, probe.expect)
    except dns.exception.DNSException as error:
        raise ValueError(f"{probe.name} {probe.type} {probe.expect or ''} is not for DNS: {error}") from error

    async def check(progress: Progress) -> Passed:
        progress.stage = f"to the query for {probe.name} {probe.type}"
        query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
        if probe.transport is Transport.UDP:
            answer = await ask(target, query.to_wire(), partial(_read, query))
            if answer.flags & dns.flags.TC:
                answer = await _over_tcp(target, progress, query)
        else:
            answer = await _over_tcp(target, progress, query)
        return _judge(answer, kind, wanted)

    return check


async def _over_tcp(target: Target, progress: Progress, query: dns.message.Message) -> dns.message.Message:
    """Ask over a connection, where each message has its length before it (RFC 1035 section 4.2.2)."""
    async with connect(target, progress) as conversation:
        wire = query.to_wire()
        await conversation.send(struct.pack("!H", len(wire)) + wire)
        (size,) = struct.unpack("!H", await conversation.exactly(2, "the answer"))
        answer = _read(query, await conversation.exactly(size, "the answer"))
        if answer is None:
            raise FailedError("not the answer to the query")
        return answer


def _read(query: dns.message.Message, wire: bytes) -> dns.message.Message | None:
    """The answer to ``query``; None when this is none."""
    if len(wire) < 12 or wire[:2] != query.id.to_bytes(2):
        return None
    try:
        answer = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        raise FailedError("not a DNS answer") from None
    return answer if query.is_response(answer) else None


def _judge(answer: dns.message.Message, kind: dns.rdatatype.RdataType, wanted: dns.rdata.Rdata | None) -> Passed:
    rcode = answer.rcode()
    if rcode != dns.rcode.NOERROR:
        raise FailedError(f"answer {dns.rcode.to_text(rcode)}")
    found = [record for records in answer.answer if records.rdtype == kind for record in records]
    if not found:
        raise FailedError(f"no {dns.rdatatype.to_text(kind)} record in the answer")
    if wanted is not None and wanted not in found:
        shown = sorted(record.to_text() for record in found)
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        raise FailedError(f"the answer is {', '.join(shown[:_SHOWN])}{more}, expected {wanted.to_text()}")
    shown_one = (wanted or found[0]).to_text()
    return Passed(f"answer {shown_one}" if wanted is not None or len(found) == 1 else f"{len(found)} records")


def _record(kind: dns.rdatatype.RdataType, text: str) -> dns.rdata.Rdata:
    """A record as people write it: names count from the root, texts need no quotes."""
    if kind in _TEXTS and not text.startswith('"'):
        text = '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False)
