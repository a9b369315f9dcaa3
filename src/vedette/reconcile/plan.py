"""A plan is data: what to create, update and delete so that the observed becomes the desired."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Create(Generic[K, V]):
    """``key`` is wanted as ``item`` and is not there."""

    key: K
    item: V


@dataclass(frozen=True, slots=True)
class Update(Generic[K, V]):
    """``key`` is there as ``before`` and is wanted as ``after``."""

    key: K
    before: V
    after: V


@dataclass(frozen=True, slots=True)
class Delete(Generic[K, V]):
    """``key`` is there as ``item``, is ours, and is not wanted."""

    key: K
    item: V


Action = Create[K, V] | Update[K, V] | Delete[K, V]


def diff(
    desired: Mapping[K, V],
    observed: Mapping[K, V],
    *,
    owned: Callable[[K], bool],
    same: Callable[[V, V], bool] = lambda wanted, found: wanted == found,
) -> list[Action[K, V]]:
    """Compare by identity key only. What is neither desired nor ``owned`` belongs to other people and stays."""
    actions: list[Action[K, V]] = []
    for key, item in desired.items():
        if key not in observed:
            actions.append(Create(key, item))
        elif not same(item, observed[key]):
            actions.append(Update(key, observed[key], item))
    actions.extend(Delete(key, item) for key, item in observed.items() if key not in desired and owned(key))
    return actions
