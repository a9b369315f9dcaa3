"""Frozen dataclasses to and from plain JSON values, driven by their annotations.

It is what crosses the pipes between Vedette's processes and what ``-o json`` prints. Pickle is not used there:
a process with fewer privileges must not be able to make one with more run its code.

Supported: dataclasses, enums, ``str int float bool None``, addresses, ``bytes`` (hex), ``tuple[T, ...]``,
``Mapping[str, T]``, optional values, and unions of dataclasses (a ``"kind"`` key names the class).
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

T = TypeVar("T")
_SCALARS = (str, int, float, bool)


def dump(value: object) -> Any:
    """Turn a value into dicts, lists and scalars that ``json`` can write."""
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return {"kind": type(value).__name__} | {
            field.name: dump(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [dump(item) for item in value]
    if isinstance(value, _SCALARS):
        return value
    raise TypeError(f"{type(value).__name__} has no plain form")


def load(wanted: type[T], data: Any) -> T:
    """Rebuild a value of type ``wanted`` from what :func:`dump` made; raises ``ValueError`` on a bad shape."""
    try:
        return typing.cast(T, _load(wanted, data))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the plain form of {wanted}: {error}") from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _load(wanted: Any, data: Any) -> Any:
    origin = typing.get_origin(wanted)
    if origin is not None:
        return _load_generic(origin, typing.get_args(wanted), data)
    if isinstance(wanted, typing.NewType):
        return _load(wanted.__supertype__, data)
    if wanted in _SCALARS:
        return _scalar(wanted, data)
    if wanted is Any:
        return data
    if is_dataclass(wanted):
        hints = _hints(typing.cast(type, wanted))
        return typing.cast(type, wanted)(
            **{name: _load(hints[name], item) for name, item in data.items() if name != "kind"}
        )
    if issubclass(wanted, IPv4Address | IPv6Address):
        return ip_address(data)
    if wanted is bytes:
        return bytes.fromhex(data)
    return wanted(data)


def _scalar(wanted: type, data: Any) -> Any:
    if type(data) is wanted or (wanted is float and type(data) is int):
        return data
    raise TypeError(f"{type(data).__name__} in place of {wanted.__name__}")


def _load_generic(origin: Any, arguments: tuple[Any, ...], data: Any) -> Any:
    if origin in (typing.Union, types.UnionType):
        return _load_union([item for item in arguments if item is not types.NoneType], data)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return tuple(_load(arguments[0], item) for item in data)
        return tuple(_load(kind, item) for kind, item in zip(arguments, data, strict=True))
    if origin is frozenset:
        return frozenset(_load(arguments[0], item) for item in data)
    if issubclass(origin, Mapping):
        return {_load(arguments[0], key): _load(arguments[1], item) for key, item in data.items()}
    raise TypeError(f"{origin} has no plain form")


def _load_union(members: list[Any], data: Any) -> Any:
    if data is None:
        return None
    if len(members) == 1:
        return _load(members[0], data)
    if isinstance(data, dict):
        return _load({cls.__name__: cls for cls in members}[data["kind"]], data)
    return _load(members[0], data)
