"""Which files may travel with a document, by their names alone (:mod:`vedette.spec.carried_files`)."""

import re
from collections.abc import Mapping

MOST = 256
"""Files of one document."""
LARGEST = 16 << 20
"""Bytes of them all together."""
LONGEST = 255
"""Characters of a name."""

Contents = Mapping[str, bytes]
"""By name, as the document has it."""
_PART = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")


def is_carried(name: str) -> bool:
    """Whether a file of this name is below the document's folder, by its name alone."""
    return len(name) <= LONGEST and all(map(_PART.fullmatch, name.split("/")))
