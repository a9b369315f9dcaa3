"""Calls that block, each in a thread of its own: files that may lie on a dead network, libraries without asyncio.

A thread cannot be ended from outside. A check whose time is up therefore leaves its thread behind: ``release`` is
called to make the library notice (shut its socket down, say), and the thread keeps its place among the
:data:`PLACES` until it has really ended. Threads that never end fill the places up, and then
:mod:`vedette.health.slow.upkeep` replaces the whole process, which is what ends them.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from vedette.health.slow.check import UnableError
from vedette.health.slow.places import Places

T = TypeVar("T")

PLACES = Places(512, "checks hang already")
"""So many servers may hang at once before others wait. A thread that waits costs some 40 KiB."""
_STACK = 512 << 10
"""Bytes of a stack, of which only what is used takes memory."""

abandoned: set[threading.Thread] = set()
"""Threads that nobody waits for any more, and that have not ended."""
_running: set[threading.Thread] = set()


async def run(function: Callable[[], T], *, release: Callable[[], object] | None = None) -> T:
    """Return what ``function`` returns, or raise what it raises.

    ``release`` is called from the loop when the call is cancelled: it must not block, and may be called before
    ``function`` has come far.
    """
    await PLACES.take()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()
    thread = threading.Thread(target=_call, args=(function, loop, answer), daemon=True)
    _running.add(thread)
    try:
        _start(thread)
    except RuntimeError as error:  # pthread_create(3): no memory, or too many threads
        _running.discard(thread)
        PLACES.give_back()
        raise UnableError("no thread can be started") from error
    try:
        return await answer  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        if thread in _running:
            abandoned.add(thread)
        if release is not None:
            release()
        raise


def _start(thread: threading.Thread) -> None:
    former = threading.stack_size(_STACK)
    try:
        thread.start()
    finally:
        threading.stack_size(former)


def _call(function: Callable[[], object], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]) -> None:
    result: object = None
    failure: BaseException | None = None
    try:
        result = function()
    except BaseException as error:  # whatever it is, it is for the caller
        failure = error
    try:
        loop.call_soon_threadsafe(_deliver, threading.current_thread(), answer, result, failure)
    except RuntimeError:  # the loop is closed: nobody is left to tell
        return


def _deliver(
    thread: threading.Thread, answer: asyncio.Future[Any], result: object, failure: BaseException | None
) -> None:
    _running.discard(thread)
    PLACES.give_back()
    abandoned.discard(thread)
    if answer.done():
        return
    if failure is None:
        answer.set_result(result)
    elif isinstance(failure, Exception):
        answer.set_exception(failure)
    else:
        answer.cancel()
