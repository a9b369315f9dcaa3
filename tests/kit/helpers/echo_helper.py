"""A helper process for the tests of supervision: it does what its parent says."""

import asyncio
import os
import signal
from pathlib import Path

from vedette.kit.channel import Message
from vedette.kit.child import Parent, serve


async def main(parent: Parent) -> None:
    def receive(message: Message) -> None:
        match message:
            case {"say": word}:
                parent.send({"said": word, "arguments": list(parent.arguments), "pid": os.getpid()})
            case {"exit": status}:
                os._exit(status)
            case {"freeze": _}:
                os.kill(os.getpid(), signal.SIGSTOP)
            case {"spin": _}:
                while True:
                    pass
            case {"describe": _}:
                blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
                links = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2 and path.is_symlink()]
                descriptors = [str(path.readlink()) for path in links]
                parent.send(
                    {
                        "policy": os.sched_getscheduler(0),
                        "blocked": sorted(blocked),
                        "sockets": sum(name.startswith("socket:") for name in descriptors),
                        "files": [name for name in descriptors if name.startswith("/")],
                        "oom": Path("/proc/self/oom_score_adj").read_text().strip(),
                    }
                )

    await parent.open(receive)
    await asyncio.Event().wait()


if __name__ == "__main__":
    serve(main)
