"""What every part of the document's shape has in common.

The models hold the document *as written*: defaults are not filled in here (``None`` = not written), so that the
Kubernetes API never stores a value that nobody wrote. Their metadata serves reading, the JSON Schema, the CRD and
the reference in the docs alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, Strict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from vedette.spec import values

T = TypeVar("T")


class Shape(BaseModel):
    """A mapping of the document.

    ``one_of``: keys of which exactly one is written. The CRD and the JSON Schema say so too; the models themselves
    do not enforce it, so that :mod:`vedette.spec.rules` can report it beside all other faults.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", alias_generator=to_camel, defer_build=True)
    one_of: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """Marks a field, or some of its values, that this release refuses: the shape is there, the behaviour is not."""

    what: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandIn:
    """What a required key is taken to hold when it is missing or wrong, so that the checks behind it go on."""

    value: Any


def required(description: str, *, stand_in: Any = None, **constraints: Any) -> Any:
    """Declare a key that must be written."""
    field: FieldInfo = Field(description=description, **constraints)
    if stand_in is not None:
        field.metadata.append(StandIn(stand_in))
    return field


def optional(description: str, *, default: str = "", **constraints: Any) -> Any:
    """Declare a key that may be left out; ``default`` says in words what then holds."""
    if default:
        description = f"{description} Default: {default}."
    return Field(default=None, description=description, **constraints)


def later(what: str, description: str, *, values: tuple[str, ...] = (), **others: Any) -> Any:
    """Declare an optional key of which this release refuses all, or ``values``, with "not supported yet"."""
    field: FieldInfo = optional(description, **others)
    field.metadata.append(Later(what, values))
    return field


def _checked(parse: Callable[[Any], object], example: str = "") -> Callable[[Any], Any]:
    """Turn a parser into a validator that keeps the written form."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise PydanticCustomError("value", "needs a whole number or text", {"remedy": f"write it like {example}"})
        try:
            parse(value)
        except values.BadValueError as error:
            raise PydanticCustomError("value", "{message}", {"message": str(error), "remedy": error.remedy}) from None
        return value

    return check


_INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}


def _number_too(parse: Callable[[Any], object], example: str) -> tuple[Any, Any]:
    return PlainValidator(_checked(parse, example)), WithJsonSchema(_INT_OR_STRING)


def _duration(value: Any) -> Any:
    """Refuse a bare number with the unit it lacks; everything else is left to the grammar."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("value", "needs a duration", {"remedy": "write it like 500ms, 3s or 10m"})
    return _checked(lambda text: values.parse_duration(str(text)))(value)


Many = Annotated[tuple[T, ...], Strict(False)]
"""A list."""

NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]
"""The name of an item, unique in its list."""

Reference = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""The name of an item elsewhere in the document."""

INTERFACE = r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$"
Interface = Annotated[str, StringConstraints(pattern=INTERFACE, max_length=64)]
"""A logical name from ``nodes[].interfaces``, or else the kernel's own name of a network interface."""

KernelInterface = Annotated[str, StringConstraints(pattern=INTERFACE, max_length=15)]
"""The kernel's name of a network interface (IFNAMSIZ: 15 bytes at most)."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]
"""A file name; a relative one counts from the directory of the document."""

Duration = Annotated[
    str, PlainValidator(_duration), WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,12}(ms|s|m|h|d)$"})
]
"""A time with its unit: ``500ms``, ``3s``, ``10m``, ``1h``, ``14d``."""

Address = Annotated[str, AfterValidator(_checked(values.parse_address)), StringConstraints(max_length=45)]
"""One IPv4 or IPv6 address."""

Addresses = Annotated[str, AfterValidator(_checked(values.parse_range)), StringConstraints(max_length=100)]
"""An address or a range ``a-b``."""

VirtualAddresses = Annotated[
    str, AfterValidator(_checked(values.parse_virtual_address)), StringConstraints(max_length=104)
]
"""An address or a range ``a-b``, with an optional prefix length: ``203.0.113.80/24``."""

HostName = Annotated[str, AfterValidator(_checked(values.parse_host_name)), StringConstraints(max_length=254)]
"""A name in the DNS."""

Port = Annotated[int, Field(ge=1, le=65535)]

Ports = Annotated[int | str, *_number_too(values.parse_port, "80 or 53/udp")]
"""``80``, ``53/udp`` or ``50000-60000/udp``."""

Statuses = Annotated[int | str, *_number_too(values.parse_statuses, "200 or 200-299")]
"""``200`` or ``200-299``."""


Labels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=64)]
Words = Annotated[dict[str, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=64)]


class Item(Shape):
    """A thing in a list: it may be described and labelled."""

    description: Annotated[str, Field(max_length=4096)] | None = optional("A sentence for people.")
    labels: Labels | None = optional("Labels as in Kubernetes; they reach metrics and selectors.")


class SecretRef(Shape):
    """A key of a Kubernetes Secret in the object's own namespace."""

    name: Name = required("Name of the Secret.")
    key: Reference = required("Key inside the Secret.")


class Secret(Shape):
    """A secret, never written here: a file that only its owner may read, or a Kubernetes Secret."""

    one_of = ("secretFile", "secretRef")

    secret_file: FilePath | None = optional("File that holds the secret; mode 0600.")
    secret_ref: SecretRef | None = later("reading secrets from Kubernetes", "Kubernetes Secret that holds it.")
