"""What the core takes from a document, and what it derives and refuses."""

import pytest
from tests.cluster.bench import TIMINGS, config, group

from vedette.cluster.config import CoreGroup, Timings
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy


@pytest.mark.parametrize("dead_after", [200, 1000, 3000, 30000])
def test_a_lease_ends_before_its_records_whatever_the_clocks_do(dead_after: int) -> None:
    """Owner's clock 1 % slow, voter's 1 % fast: the record lives longer, by the margins."""
    timings = Timings(dead_after * MILLISECOND // 5, SECOND, dead_after * MILLISECOND, 10 * SECOND)
    real_lease = timings.lease * 100 / 99
    real_record = timings.dead_after * 100 / 101
    assert real_record - real_lease >= 2 * timings.margin


def test_the_margins_leave_most_of_a_short_lease() -> None:
    timings = Timings(50 * MILLISECOND, 100 * MILLISECOND, 200 * MILLISECOND, SECOND)
    assert timings.lease > 190 * MILLISECOND


@pytest.mark.parametrize(
    ("nodes", "policy", "words"),
    [
        (("a", "b"), SplitBrainPolicy.MAJORITY, "at least 3"),
        (("a", "b", "c"), SplitBrainPolicy.TOLERATE, "exactly 2"),
        (("a", "b", "c"), SplitBrainPolicy.FENCE, "exactly 2"),
        (tuple("abcdefgh"), SplitBrainPolicy.MAJORITY, "at most 7"),
    ],
)
def test_what_cannot_be_promised_is_refused(nodes: tuple[str, ...], policy: SplitBrainPolicy, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        config(nodes=nodes, witnesses=(), policy=policy)


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="rename"):
        config(groups=(group("g"), group("g")))


def test_dead_after_must_be_four_intervals() -> None:
    with pytest.raises(UsageError, match="4 × interval"):
        config(timings=Timings(500 * MILLISECOND, SECOND, 1900 * MILLISECOND, SECOND))


def test_what_matters_to_leases_is_in_the_id_and_the_rest_is_not() -> None:
    base = config()
    assert base.id == config(groups=()).id
    assert base.id == config(timings=Timings(TIMINGS.interval, SECOND, TIMINGS.dead_after, SECOND)).id
    assert base.id != config(cluster="other").id
    assert base.id != config(nodes=("a", "b", "c"), witnesses=("c",)).id
    assert base.id != config(timings=Timings(TIMINGS.interval, SECOND, 4 * SECOND, SECOND)).id


@pytest.mark.parametrize(("voters", "majority"), [(3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_majority_is_more_than_half_of_all_voters(voters: int, majority: int) -> None:
    names = tuple("abcdefg"[:voters])
    assert config(nodes=names, witnesses=(), groups=(CoreGroup("g", names),)).majority == majority
