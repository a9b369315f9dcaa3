"""What the director and the sorry server say to each other; readers raise ``ValueError`` on any other shape::

director → sorry server   {"pages": [PAGE, ...], "places": [[ADDRESS, PORT, index into pages], ...]}   all, each time
sorry server → director   {"listening": [[ADDRESS, PORT], ...], "problems": [[ADDRESS, PORT, TEXT], ...]}
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vedette.kit import net, plain
from vedette.kit.channel import Message
from vedette.sorry.page import Place
from vedette.spec.resolved import SorryPage


def write_pages(pages: Mapping[Place, SorryPage]) -> Message:
    """Their message; a page that many places share is in it once."""
    numbers: dict[SorryPage, int] = {}
    places = [[str(address), port, numbers.setdefault(page, len(numbers))] for (address, port), page in pages.items()]
    return {"pages": [plain.dump(page) for page in numbers], "places": places}


def read_pages(message: Message) -> dict[Place, SorryPage]:
    """The pages of a message."""
    try:
        pages = [plain.load(SorryPage, page) for page in message["pages"]]
        return {_place(address, port): pages[number] for address, port, number in message["places"]}
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"not a list of pages: {error}") from error


def write_report(listening: Iterable[Place], problems: Mapping[Place, str]) -> Message:
    """The message of where the server listens, and why not elsewhere."""
    return {
        "listening": [[str(address), port] for address, port in listening],
        "problems": [[str(address), port, text] for (address, port), text in problems.items()],
    }


def read_report(message: Message) -> tuple[frozenset[Place], dict[Place, str]]:
    """Where the server listens, and the problems elsewhere."""
    try:
        listening = frozenset(_place(address, port) for address, port in message["listening"])
        return listening, {_place(address, port): str(text) for address, port, text in message["problems"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a report: {error}") from error


def _place(address: Any, port: Any) -> Place:
    return net.parse(str(address)), int(port)
