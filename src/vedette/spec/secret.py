"""A secret that was read from its file."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """What a secret file holds. It is never printed; whoever needs it says ``text``."""

    text: str = field(repr=False)
