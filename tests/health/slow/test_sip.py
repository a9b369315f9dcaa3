"""Checks of kind sip, against kamailio."""

import pytest

from tests.health.slow.contract import OverTcp, OverUdp
from tests.health.slow.trial import Result, check
from tests.health.targets import target
from vedette.spec.probes import SipProbe, Transport

pytestmark = pytest.mark.servers


class TestOverUdp(OverUdp):
    probe = SipProbe()


class TestOverTcp(OverTcp):
    probe = SipProbe(transport=Transport.TCP)


def ask(port: int, probe: SipProbe) -> Result:
    return check(target(port=port, probe=probe))


@pytest.mark.parametrize("transport", Transport)
def test_kamailio_is_up(kamailio: int, transport: Transport) -> None:
    assert ask(kamailio, SipProbe(transport=transport)).reason == "status 200"
    assert ask(kamailio, SipProbe("slow", transport=transport)).reason == "status 200"
    assert ask(kamailio, SipProbe("gone", statuses=((200, 299), (404, 404)), transport=transport)).passed


@pytest.mark.parametrize("transport", Transport)
def test_a_status_that_is_not_accepted_fails(kamailio: int, transport: Transport) -> None:
    result = ask(kamailio, SipProbe("gone", transport=transport))
    assert not result.passed
    assert result.reason == "OPTIONS answered by 404 Not here"
