"""Weights on the express lane: never anything but what the whole plan would do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs.documents import HTTP, SERVERS, WEB, at, document, service, verdicts

from vedette.ipvs.desired import desired
from vedette.ipvs.express import reweigh
from vedette.ipvs.model import Destination, DestinationId, Method
from vedette.ipvs.plan import apply, plan
from vedette.reconcile.plan import Update
from vedette.spec.resolved import ClusterSpec, OnFailure, Protocol, RealServer, VirtualService
from vedette.state.edits import reweighings
from vedette.state.health import Health

HTTPS = replace(HTTP, port=443)
_SERVERS = st.builds(
    replace,
    st.sampled_from(SERVERS),
    weight=st.integers(0, 3),
    maintenance=st.booleans(),
    port=st.sampled_from((None, 8080)),
)


@st.composite
def _services(draw: st.DrawFn) -> VirtualService:
    servers = draw(st.lists(_SERVERS, max_size=3, unique_by=lambda server: server.address))
    return service(
        endpoints=draw(st.sampled_from(((HTTP,), (HTTP, HTTPS), (replace(HTTP, protocol=Protocol.UDP),)))),
        real_servers=tuple(servers),
        maintenance=draw(st.booleans()),
        on_failure=draw(st.sampled_from(OnFailure)),
    )


@st.composite
def _edits(draw: st.DrawFn) -> tuple[ClusterSpec, ClusterSpec]:
    """A document, and one with other weights."""
    before = draw(_services())
    servers = tuple(replace(server, weight=draw(st.integers(0, 3))) for server in before.real_servers)
    return document(before), document(replace(before, real_servers=servers), digest="2")


_HEALTHS = st.dictionaries(st.sampled_from([str(server.address) for server in SERVERS]), st.sampled_from(Health))


@given(specs=_edits(), healths=_HEALTHS)
def test_the_express_lane_is_a_part_of_the_plan(
    specs: tuple[ClusterSpec, ClusterSpec], healths: dict[str, Health]
) -> None:
    before, after = specs
    known = verdicts(after, healths)
    left = desired(before, known, {})
    sent = list(reweigh(reweighings(before, after) or (), left))
    whole = plan(desired(after, known, left), left, owned=lambda _: True)
    assert all(action in whole for action in sent)
    rest = plan(desired(after, known, left), apply(left, sent), owned=lambda _: True)
    assert len(rest) == len(whole) - len(sent)


@given(weights=st.lists(st.integers(1, 9), min_size=3, max_size=3))
def test_of_servers_that_are_up_every_weight_goes_by_it(weights: list[int]) -> None:
    before = document(service())
    servers = tuple(replace(server, weight=weight) for server, weight in zip(SERVERS, weights, strict=True))
    after = document(service(real_servers=servers))
    left = desired(before, verdicts(before), {})
    whole = plan(desired(after, verdicts(after), left), left, owned=lambda _: True)
    assert list(reweigh(reweighings(before, after) or (), left)) == whole


def test_the_last_weight_is_not_taken_to_zero_ahead_of_what_stands_in() -> None:
    before = document(service(real_servers=SERVERS[:1]))
    after = document(service(real_servers=(replace(SERVERS[0], weight=0),)))
    left = desired(before, verdicts(before), {})
    assert list(reweigh(reweighings(before, after) or (), left)) == []


def test_a_destination_with_another_weight_than_the_documents_is_not_touched() -> None:
    before = document(service())
    left = desired(before, verdicts(before), {})
    key = DestinationId(WEB, at("10.0.0.11"))
    ramping = apply(left, [Update(key, Destination(1), Destination(3, Method.MASQUERADE))])
    after = document(service(real_servers=(replace(SERVERS[0], weight=9), *SERVERS[1:])))
    assert list(reweigh(reweighings(before, after) or (), ramping)) == []


@pytest.mark.parametrize(
    "changed",
    [
        service(name="other"),
        service(real_servers=SERVERS[:2]),
        service(real_servers=(RealServer(SERVERS[0].address, port=81), *SERVERS[1:])),
        service(real_servers=(SERVERS[1], SERVERS[0], SERVERS[2])),
        service(checks=()),
    ],
)
def test_anything_else_than_weights_is_no_such_edit(changed: VirtualService) -> None:
    assert reweighings(document(service()), document(changed)) is None
    assert reweighings(document(service()), document(service(), changed)) is None


def test_the_same_document_has_no_edits() -> None:
    assert reweighings(document(service()), document(service(), digest="2")) == []
