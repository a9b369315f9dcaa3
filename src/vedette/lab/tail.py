"""Reading on in a file of records, each of one size, that another process still writes."""

from pathlib import Path


class Tail:
    """``size`` is that of a record in bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._offset = 0

    def read(self) -> bytes:
        """The records since the last call; what is not whole yet comes with the next one."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return b""
        whole = len(data) - len(data) % self._size
        self._offset += whole
        return data[:whole]
