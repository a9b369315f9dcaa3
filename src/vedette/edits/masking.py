"""A document without its secrets, in which one can still see that a secret has changed."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from vedette.spec.resolved import ClusterSpec, Key, Secret

T = TypeVar("T")


def masked(value: T, nonce: bytes) -> T:
    """The same with a digest in the place of each secret. ``nonce`` is drawn anew for every comparison, so that the
    digests of two comparisons have nothing in common. A cluster key keeps its id, which tells nothing of it."""
    return cast(T, _masked(value, nonce))


def blank(spec: ClusterSpec) -> ClusterSpec:
    """The same without any secret, for a comparison in which those of one side are not known."""
    return replace(cast(ClusterSpec, _replaced(spec, lambda _: Secret(""))), keys=())


def _masked(value: object, nonce: bytes) -> object:
    return _replaced(value, lambda secret: Secret(hmac.digest(nonce, secret.text.encode(), hashlib.sha256).hex()))


def _replaced(value: object, mask: Callable[[Secret], Secret]) -> object:
    """The same value with every secret, however deep, replaced."""
    if isinstance(value, Secret):
        return mask(value)
    if isinstance(value, Key):
        return Key(value.id, b"")
    if isinstance(value, tuple):
        return tuple(_replaced(item, mask) for item in value)
    if isinstance(value, Mapping):
        return {key: _replaced(item, mask) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            item.name: after
            for item in fields(value)
            if item.init
            for before in [getattr(value, item.name)]
            if (after := _replaced(before, mask)) is not before and after != before
        }
        return replace(value, **changed) if changed else value
    return value
