"""Real servers from Debian packages for the checks of the fast lane, as processes of the test session on loopback."""

import datetime
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE = 20.0
"""Seconds that a server may take to start, on a busy machine too."""
DAY = datetime.timedelta(days=1)
NAME = "www.mydomain.tld"
USER, PASSWORD = "probe", "sécret: 1"
REALM = "the inner circle"

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; user root;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
  server {{
    listen 127.0.0.1:{http}; listen [::1]:{http};
    location /health {{ return 200 "status: OK\\n"; }}
    location /broken {{ return 500 "oops"; }}
    location /moved {{ return 302 /health; }}
    location /asked {{
      return 200 "$request_method $http_host $http_x_probe $content_length $server_protocol $remote_addr";
    }}
    location /secret {{ auth_basic "{realm}"; auth_basic_user_file {folder}/htpasswd; root {folder}/www; }}
    location /slow {{ root {folder}/www; limit_rate 10; }}
    location / {{ root {folder}/www; }}
  }}
  server {{ listen 127.0.0.1:{h2c} http2; location / {{ return 200 "$server_protocol $http_host $content_length"; }}
    location /large {{ root {folder}/www; }}
    location /broken {{ return 500 "oops"; }} location /slow {{ root {folder}/www; limit_rate 10; }} }}
  server {{ listen 127.0.0.1:{https} ssl http2; listen [::1]:{https} ssl http2;
    location / {{ return 200 "$server_protocol $ssl_server_name"; }}
    location /slow {{ root {folder}/www; limit_rate 10; }} }}
  server {{ listen 127.0.0.1:{only1} ssl; location / {{ return 200 "$server_protocol"; }} }}
  server {{ listen 127.0.0.1:{expired} ssl;
    ssl_certificate {folder}/expired.pem; ssl_certificate_key {folder}/expired.key; }}
  server {{ listen 127.0.0.1:{alone} ssl; ssl_certificate {folder}/alone.pem; ssl_certificate_key {folder}/alone.key; }}
  server {{ listen 127.0.0.1:{client} ssl; ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;
    location / {{ return 200 "$ssl_client_s_dn"; }} }}
}}
"""
LIGHTTPD = """
server.document-root = "{folder}/www"
server.port = {digest}
server.bind = "127.0.0.1"
server.errorlog = "{folder}/lighttpd.log"
server.modules = ( "mod_auth", "mod_authn_file" )
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "{folder}/htdigest"
auth.require = (
  "/md5" => ( "method" => "digest", "realm" => "{realm}", "require" => "valid-user" ),
  "/sha256" => ( "method" => "digest", "algorithm" => "SHA-256", "realm" => "{realm}", "require" => "valid-user" )
)
"""


@dataclass(frozen=True)
class Servers:
    """Where everything listens (127.0.0.1), and the files around it."""

    folder: Path
    ports: dict[str, int]

    def file(self, name: str) -> str:
        return str(self.folder / name)


def needs(program: str) -> str:
    """Return where a program is; skips the test on machines that lack it."""
    if os.geteuid() != 0:
        pytest.skip("servers want to be started by root")
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {program}: `make test` installs it")
    return found


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Start them all at once, and wait until all accept."""
    nginx, lighttpd, socat = needs("nginx"), needs("lighttpd"), needs("socat")
    tcp = ("http", "h2c", "https", "only1", "expired", "alone", "client", "digest", "garbage", "hung")
    ports = {name: free_port() for name in tcp}
    udp = {name: free_port(socket.SOCK_DGRAM) for name in ("echo", "silent", "closed")}
    _files(folder)
    for name, template in (("nginx.conf", NGINX), ("lighttpd.conf", LIGHTTPD)):
        text = template.format(folder=folder, realm=REALM, **ports)
        (folder / name).write_text(text)
    frozen = folder / "frozen"
    frozen.mkdir()
    hung = f"daemon off; pid {frozen}/pid; error_log {frozen}/log; events {{}} http {{ access_log off;"
    hung += f" client_body_temp_path {frozen}/b; proxy_temp_path {frozen}/p; fastcgi_temp_path {frozen}/f;"
    hung += f" uwsgi_temp_path {frozen}/u; scgi_temp_path {frozen}/s; server {{ listen 127.0.0.1:{ports['hung']}; }} }}"
    (frozen / "nginx.conf").write_text(f"master_process off; {hung}")
    commands = {
        "nginx": [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")],
        "frozen": [nginx, "-c", str(frozen / "nginx.conf"), "-e", str(frozen / "nginx.log")],
        "lighttpd": [lighttpd, "-D", "-f", str(folder / "lighttpd.conf")],
        "garbage": [
            socat,
            f"TCP-LISTEN:{ports['garbage']},bind=127.0.0.1,fork,reuseaddr",
            "SYSTEM:head -c 8192 /dev/urandom; cat >/dev/null",
        ],
        "echo": [socat, f"UDP-LISTEN:{udp['echo']},bind=127.0.0.1,fork,reuseaddr", "PIPE"],
        "silent": [socat, "-u", f"UDP-RECV:{udp['silent']},bind=127.0.0.1", "OPEN:/dev/null"],
    }
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(_running(command, folder / f"{name}.out")) for name, command in commands.items()
        }
        _wait(list(ports.values()), processes)
        processes["frozen"].send_signal(signal.SIGSTOP)
        yield Servers(folder, ports | udp)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(ports: list[int], processes: dict[str, subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + PATIENCE
    for port in ports:
        while not _accepts(port):
            over = [name for name, process in processes.items() if process.poll() is not None]
            assert not over, f"{over} ended"
            assert time.monotonic() < end, f"nobody listens at {port}"
            time.sleep(0.02)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _files(folder: Path) -> None:
    """Pages, passwords and certificates."""
    folder.chmod(0o755)
    www = folder / "www"
    for name in ("secret", "md5", "sha256"):
        (www / name).mkdir(parents=True)
        (www / name / "index.html").write_text("inside")
    (www / "index.html").write_text("welcome")
    (www / "slow").write_text("x" * 100_000)
    (www / "large").write_text("y" * 300_000)
    hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout
    (folder / "htpasswd").write_text(f"{USER}:{hashed}")
    lines = [
        f"{USER}:{REALM}:{hashlib.new(name, f'{USER}:{REALM}:{PASSWORD}'.encode()).hexdigest()}"
        for name in ("md5", "sha256")
    ]
    (folder / "htdigest").write_text("\n".join(lines) + "\n")
    certificates(folder)


def certificates(folder: Path) -> None:
    """``ca.pem`` has signed server, expired and client; alone has signed itself. The server's ends in nine days."""
    authority = _make(folder, "ca", None, 100 * DAY, authority=True)
    _make(folder, "server", authority, 9 * DAY)
    _make(folder, "expired", authority, -1 * DAY)
    _make(folder, "client", authority, 100 * DAY)
    _make(folder, "alone", None, 100 * DAY)


Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _make(
    folder: Path, name: str, signer: Signer | None, left: datetime.timedelta, *, authority: bool = False
) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + left)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer[1] if signer else key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)
    (folder / f"{name}.key").chmod(0o600)
    return certificate, key
