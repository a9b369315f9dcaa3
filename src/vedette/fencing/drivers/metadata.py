"""What a fence agent says of itself: its options and actions (the XML of `action=metadata`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

_BOOLEANS = {"1", "0", "yes", "no", "on", "off", "true", "false"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``kind`` is boolean, integer, second, select or string; ``choices`` are those of a select."""

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    deprecated: bool = False

    def fault(self, value: str) -> str | None:
        """What is wrong with a value, None when nothing is."""
        match self.kind:
            case "boolean" if value.lower() not in _BOOLEANS:
                return "is neither true nor false"
            case "integer" if not re.fullmatch(r"-?[0-9]+", value):
                return "is not a number"
            case "second" if not re.fullmatch(r"[0-9]+", value):
                return "is not a number of seconds"
            case "select" if self.choices and value not in self.choices:
                return f"is none of {', '.join(self.choices)}"
        return None


@dataclass(frozen=True, slots=True)
class Metadata:
    """An agent's options by name, and the actions that it knows."""

    options: Mapping[str, Option]
    actions: frozenset[str]

    @property
    def plug(self) -> str | None:
        """The option that takes the plug; None when the agent's devices have none."""
        return next((name for name in ("plug", "port") if name in self.options), None)


def parse(text: str) -> Metadata:
    """Read the metadata. Raises ``ValueError`` when they are none."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 (from root's own program in /usr/sbin)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    if root.tag != "resource-agent":
        raise ValueError("no resource-agent")
    options = {option.name: option for option in map(_option, root.iterfind("parameters/parameter"))}
    return Metadata(options, frozenset(item.get("name", "") for item in root.iterfind("actions/action")))


def _option(node: ElementTree.Element) -> Option:
    content = node.find("content")
    kind = "string" if content is None else content.get("type", "string")
    choices = () if content is None else tuple(item.get("value", "") for item in content.iterfind("option"))
    return Option(node.get("name", ""), kind, choices, node.get("deprecated") == "1")
