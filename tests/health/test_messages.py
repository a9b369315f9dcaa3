"""What the director and the checker say to each other."""

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.health import messages
from vedette.health.messages import Assignment
from vedette.spec.resolved import HealthCheck, HttpProbe, TcpProbe
from vedette.state.health import Advice, Behind, Health, Target, Verdict

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
probes = st.one_of(
    st.just(TcpProbe()),
    st.builds(
        HttpProbe,
        path=st.text(max_size=10),
        host=st.none() | st.text(max_size=10),
        headers=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple),
        statuses=st.lists(st.tuples(st.integers(100, 599), st.integers(100, 599)), max_size=2).map(tuple),
        body=st.none() | st.text(max_size=10),
    ),
)
checks = st.builds(
    HealthCheck,
    probe=probes,
    interval=st.integers(1, 10**12),
    timeout=st.integers(1, 10**12),
    rise=st.integers(1, 9),
    fall=st.integers(1, 9),
    address=st.none() | addresses,
    port=st.none() | st.integers(1, 65535),
)
behind = st.builds(Behind, server=addresses, mark=st.integers(0, 2**32 - 1), near=st.booleans())
targets = st.builds(Target, address=addresses, port=st.integers(1, 65535), check=checks, behind=st.none() | behind)
verdicts = st.builds(
    Verdict,
    health=st.sampled_from(Health),
    since=st.integers(0, 2**60),
    reason=st.text(max_size=20),
    notice=st.text(max_size=20),
    advice=st.none() | st.builds(Advice, value=st.integers(0, 65535), absolute=st.booleans()),
)
assignments = st.builds(
    Assignment,
    add=st.dictionaries(st.integers(0, 2**40), st.tuples(targets, verdicts), max_size=4),
    remove=st.lists(st.integers(0, 2**40), max_size=4).map(tuple),
)


@given(assignments)
def test_an_assignment_arrives_as_it_was_sent(assignment: Assignment) -> None:
    message = json.loads(json.dumps(messages.write_assignment(assignment)))
    assert messages.read_assignment(message) == assignment


@given(st.lists(st.tuples(st.integers(0, 2**40), verdicts), max_size=5))
def test_verdicts_arrive_as_they_were_sent(found: list[tuple[int, Verdict]]) -> None:
    message = json.loads(json.dumps(messages.write_verdicts(found)))
    assert messages.read_verdicts(message) == found


def test_a_check_shared_by_many_targets_is_sent_once() -> None:
    check = HealthCheck(probe=TcpProbe(), interval=1, timeout=1, rise=1, fall=1)
    unknown = Verdict(Health.UNKNOWN, 0, "")
    first = int(ip_address("10.0.0.0"))
    add = {number: (Target(ip_address(first + number), 80, check), unknown) for number in range(10_000)}
    message = messages.write_assignment(Assignment(add=add))
    assert len(message["checks"]) == 1
    assert len(json.dumps(message)) < 1_000_000


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"checks": [], "add": []},
        {"checks": [], "add": [[1, "10.0.0.1", 80, None, 0, "up", 0, ""]], "remove": []},
        {"checks": [], "add": [[1, "10.0.0.1", 80, ["10.0.0.1"], 0, "up", 0, ""]], "remove": []},
        {"checks": [{}], "add": [], "remove": []},
        {"checks": [], "add": [[1]], "remove": []},
        {"checks": [], "add": 5, "remove": []},
        {"checks": [], "add": [], "remove": ["x"]},
    ],
)
def test_what_is_no_assignment_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        messages.read_assignment(message)


@pytest.mark.parametrize(
    "message", [{}, {"verdicts": 5}, {"verdicts": [5]}, {"verdicts": [[1, "good", 0, ""]]}, {"verdicts": [["x"] * 4]}]
)
def test_what_is_no_list_of_verdicts_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        messages.read_verdicts(message)
