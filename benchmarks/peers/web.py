"""A web server over TLS by other people: nginx, which counts its connections itself."""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.programs import program, until

_CONFIG = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_timeout 0;
  server {{
    listen {port} ssl backlog=4096;
    ssl_certificate {folder}/web.crt;
    ssl_certificate_key {folder}/web.key;
    ssl_session_cache off;
    ssl_session_tickets off;
    location = /health {{ return 200 "status: OK\\n"; }}
  }}
  server {{ listen 127.0.0.1:{counter}; location = /count {{ stub_status; }} }}
}}
"""


class Web:
    """``accepted``: connections so far, those that asked for the number included."""

    def __init__(self, port: int, counter: int) -> None:
        self.port, self._counter = port, counter

    @property
    def accepted(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._counter}/count", timeout=5) as answer:
            found = re.search(r"^ *(\d+) ", answer.read().decode(), re.MULTILINE)
        return int(found[1]) if found else 0

    def up(self) -> bool:
        try:
            return self.accepted > 0
        except OSError:
            return False


@contextmanager
def web(folder: Path, port: int) -> Iterator[Web]:
    """nginx with a certificate of its own (ECDSA P-256) on ``port``, on all of loopback; the next port counts."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "web.key"]
    command = ["openssl", "req", "-x509", "-subj", "/CN=web", "-days", "2", *key, "-out", folder / "web.crt"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, counter=port + 1))
    served = Web(port, port + 1)
    with program(["nginx", "-c", config]):
        until(served.up)
        yield served
