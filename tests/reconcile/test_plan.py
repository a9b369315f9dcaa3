"""A plan makes the observed the desired, does nothing twice, and leaves what belongs to others."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.reconcile.plan import Action, Create, Delete, Update, diff

_tables = st.dictionaries(st.integers(0, 9), st.sampled_from("abc"), max_size=8)
_owned = st.frozensets(st.integers(0, 9))


def _perform(observed: dict[int, str], actions: list[Action[int, str]]) -> dict[int, str]:
    """Carry out a plan, holding each action to what it says of the table before it."""
    table = dict(observed)
    for action in actions:
        match action:
            case Create(key, item):
                assert key not in table
                table[key] = item
            case Update(key, before, after):
                assert table[key] == before != after
                table[key] = after
            case Delete(key, item):
                assert table.pop(key) == item
    return table


@given(_tables, _tables, _owned)
def test_performing_a_plan_gives_the_desired_and_keeps_what_others_own(
    desired: dict[int, str], observed: dict[int, str], owned: frozenset[int]
) -> None:
    others = {key: item for key, item in observed.items() if key not in owned and key not in desired}
    after = _perform(observed, diff(desired, observed, owned=owned.__contains__))
    assert after == desired | others
    assert diff(desired, after, owned=owned.__contains__) == []


@given(_tables, _tables, _owned, st.data())
def test_a_plan_that_was_interrupted_anywhere_is_finished_by_the_next(
    desired: dict[int, str], observed: dict[int, str], owned: frozenset[int], data: st.DataObject
) -> None:
    plan = diff(desired, observed, owned=owned.__contains__)
    half = _perform(observed, plan[: data.draw(st.integers(0, len(plan)))])
    rest = diff(desired, half, owned=owned.__contains__)
    assert _perform(half, rest) == _perform(observed, plan)
    assert len(rest) <= len(plan)


def test_what_counts_as_the_same_is_the_callers_word() -> None:
    plan = diff({1: "Web"}, {1: "web"}, owned=lambda _: True, same=lambda wanted, found: wanted.lower() == found)
    assert plan == []


def test_an_item_that_differs_is_updated_in_place() -> None:
    assert diff({1: "new"}, {1: "old"}, owned=lambda _: False) == [Update(1, before="old", after="new")]
