"""The sockets of all attempts in one epoll of their own, which the event loop sees as a single descriptor.

A check lives for a few events. On asyncio's own selector each of them costs a key, a handle and a turn of the loop,
together as much as the check's share of the kernel; here it costs an entry in a dictionary, and one turn of the loop
takes all that is ready. The methods are those of an event loop, so an attempt does not know the difference.

A descriptor that is *kept* goes from one attempt to the next. The kernel watches it for everything, once and for all,
and tells each change once (EPOLLET, epoll(7)); what an attempt wants to hear of it is no business of the kernel's then.
Where a change may have come too early, or somebody goes on waiting after one, the kernel is asked to look again.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Any

from vedette.health.sockets import Sockets

BATCH = 256
"""Events that one turn of the loop takes at most (some milliseconds)."""

_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT
_TROUBLE = select.EPOLLERR | select.EPOLLHUP
_CHANGES = _READ | _WRITE | select.EPOLLRDHUP | select.EPOLLET

_CONNECTING: tuple[Any, ...] = ("connecting",)
"""In the place of the arguments of who wants to hear whether there was trouble."""

_Interest = tuple[Callable[..., object], tuple[Any, ...]]


class Poller:
    """Calls back when a descriptor can be read or written; level-triggered, like the loop's own methods."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._joined = False
        self._readers: dict[int, _Interest] = {}
        self._writers: dict[int, _Interest] = {}
        self._kept: set[int] = set()
        self._now = -1, 0
        """The descriptor that is called back for, and all that was said of it."""
        self.sockets = Sockets(self)

    def keep(self, descriptor: int) -> None:
        """Watch a descriptor until it is dropped, whoever uses it."""
        self._join()
        self._kept.add(descriptor)
        self._epoll.register(descriptor, _CHANGES)

    def drop(self, descriptor: int) -> None:
        """A descriptor that was kept is about to be closed."""
        self.forget(descriptor)
        self._kept.discard(descriptor)

    def add_reader(self, descriptor: int, callback: Callable[..., object], *args: Any) -> None:
        """Call back while there is something to read, the end or an error included."""
        new = descriptor not in self._readers
        self._readers[descriptor] = callback, args
        if new:
            self._watch(descriptor, _READ, other=descriptor in self._writers)

    def add_writer(self, descriptor: int, callback: Callable[..., object], *args: Any) -> None:
        """Call back while there is room to write, and when a connection is there or refused."""
        new = descriptor not in self._writers
        self._writers[descriptor] = callback, args
        if new:
            self._watch(descriptor, _WRITE, other=descriptor in self._readers)

    def add_connecting(self, descriptor: int, callback: Callable[[bool], None]) -> None:
        """Like :meth:`add_writer` for a new socket; the callback is told whether the kernel has an error for it.

        Where it has none, that need not be asked again: one call of the kernel less.
        """
        self._writers[descriptor] = callback, _CONNECTING
        self._watch(descriptor, _WRITE, other=False)

    def read_only(self, descriptor: int, callback: Callable[..., object], *args: Any) -> None:
        """All has been written: from now on only wait for what comes. One call of the kernel instead of two."""
        del self._writers[descriptor]
        self._readers[descriptor] = callback, args
        if descriptor in self._kept:
            self._look_again(descriptor, _READ)
        else:
            self._epoll.modify(descriptor, _READ)

    def remove_reader(self, descriptor: int) -> None:
        if self._readers.pop(descriptor, None) is not None:
            self._ignore(descriptor, _WRITE, other=descriptor in self._writers)

    def remove_writer(self, descriptor: int) -> None:
        if self._writers.pop(descriptor, None) is not None:
            self._ignore(descriptor, _READ, other=descriptor in self._readers)

    def forget(self, descriptor: int) -> None:
        """Nobody waits for it any more: it is kept, or about to be closed, with which the kernel forgets it too."""
        self._readers.pop(descriptor, None)
        self._writers.pop(descriptor, None)

    def close(self) -> None:
        """Call nobody back any more."""
        if self._joined:
            self._loop.remove_reader(self._epoll.fileno())
        self.sockets.close()
        self._epoll.close()
        self._readers.clear()
        self._writers.clear()
        self._kept.clear()

    def _join(self) -> None:
        if not self._joined:
            self._joined = True
            self._loop.add_reader(self._epoll.fileno(), self.look)

    def _look_again(self, descriptor: int, event: int) -> None:
        """Have a change told again that came before anybody waited for it."""
        if self._now[0] == descriptor and self._now[1] & (event | _TROUBLE):
            self._epoll.modify(descriptor, _CHANGES)

    def _watch(self, descriptor: int, event: int, *, other: bool) -> None:
        self._join()
        if descriptor in self._kept:
            self._look_again(descriptor, event)
        elif other:
            self._epoll.modify(descriptor, _READ | _WRITE)
        else:
            self._epoll.register(descriptor, event)

    def _ignore(self, descriptor: int, rest: int, *, other: bool) -> None:
        if descriptor in self._kept:
            return
        if other:
            self._epoll.modify(descriptor, rest)
        else:
            self._epoll.unregister(descriptor)

    def look(self) -> None:
        """Call back for whatever is ready now; the loop does that by itself, and others may when they expect something.

        First it finds out whom each event is for: a callback may close a descriptor, and another take its number.
        """
        readers, writers = self._readers, self._writers
        due: list[tuple[dict[int, _Interest], int, _Interest, int]] = []
        for descriptor, events in self._epoll.poll(0, BATCH):
            if events & (_WRITE | _TROUBLE) and (interest := writers.get(descriptor)) is not None:
                due.append((writers, descriptor, interest, events))
            if events & (_READ | _TROUBLE) and (interest := readers.get(descriptor)) is not None:
                due.append((readers, descriptor, interest, events))
        for interests, descriptor, interest, events in due:
            if interests.get(descriptor) is interest:
                self._now = descriptor, events
                callback, args = interest
                try:
                    if args is _CONNECTING:
                        callback(events & _TROUBLE != 0)
                    else:
                        callback(*args)
                except Exception as error:
                    what = "a check's callback failed"
                    self._loop.call_exception_handler({"message": what, "exception": error})
                if descriptor in self._kept and interests.get(descriptor) is interest:
                    self._epoll.modify(descriptor, _CHANGES)
        self._now = -1, 0
