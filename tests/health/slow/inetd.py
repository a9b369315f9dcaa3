"""``python inetd.py PORT PROGRAM``: run a program on stdin and stdout for every connection to a port of loopback."""

import socket
import subprocess
import sys


def main() -> None:
    port, program = sys.argv[1:]
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        children: list[subprocess.Popen[bytes]] = []
        while True:
            connection, _ = listener.accept()
            with connection:
                children.append(subprocess.Popen([program], stdin=connection.fileno(), stdout=connection.fileno()))
            children = [child for child in children if child.poll() is None]


if __name__ == "__main__":
    main()
