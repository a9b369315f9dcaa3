"""Real servers that several test modules share, each started once a session, when the first test asks for it."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fencing import certificates
from tests.health.slow import daemons
from tests.health.slow.daemons import answers, free_port, needs, running

USER, PASSWORD = "karl", 'geheim "4711" \\ ß'
"""What the servers accept: every letter that a protocol has to quote."""


@pytest.fixture(scope="session")
def public() -> Iterator[Path]:
    """A folder that servers can reach after they have given up root. Pytest's own are closed to them again and again,
    whenever another session of the same user starts."""
    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def fresh(public: Path, name: str) -> Path:
    """A folder of one server."""
    (public / name).mkdir(mode=0o755)
    return public / name


@dataclass(frozen=True)
class Certified:
    """A certificate for 127.0.0.1 that the authority in ``ca`` has signed."""

    folder: Path

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    @property
    def certificate(self) -> str:
        return str(self.folder / "server.pem")

    @property
    def key(self) -> str:
        return str(self.folder / "server.key")


@pytest.fixture(scope="session")
def certified(public: Path) -> Certified:
    folder = fresh(public, "certificates")
    certificates.make(folder)
    return Certified(folder)


@dataclass(frozen=True)
class Dovecot:
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    auth: int


@pytest.fixture(scope="session")
def dovecot(public: Path, certified: Certified) -> Iterator[Dovecot]:
    program, folder = needs("dovecot"), fresh(public, "dovecot")
    ports = Dovecot(*(free_port() for _ in range(5)))
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    (folder / "users").chmod(0o644)
    (folder / "dovecot.conf").write_text(
        f"""
protocols = imap pop3
base_dir = {folder}/run
state_dir = {folder}/run
listen = 127.0.0.1
log_path = {folder}/log
instance_name = vedette-test
ssl = yes
ssl_cert = <{certified.certificate}
ssl_key = <{certified.key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
login_greeting = ready
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail
}}
service imap-login {{
  inet_listener imap {{
    port = {ports.imap}
  }}
  inet_listener imaps {{
    port = {ports.imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports.pop3}
  }}
  inet_listener pop3s {{
    port = {ports.pop3s}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {ports.auth}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
    )
    mail = folder / "mail"
    mail.mkdir()
    mail.chmod(0o777)

    def ready() -> bool:
        return all(answers(port) for port in (ports.imap, ports.imaps, ports.pop3, ports.pop3s, ports.auth))

    with running([program, "-F", "-c", str(folder / "dovecot.conf")], folder, ready):
        yield ports


@dataclass(frozen=True)
class Postfix:
    smtp: int
    submission: int
    smtps: int
    closed: int
    """Greets nobody with 220."""


@pytest.fixture(scope="session")
def postfix(public: Path, certified: Certified, dovecot: Dovecot) -> Iterator[Postfix]:
    program, folder = needs("postfix"), fresh(public, "postfix")
    ports = Postfix(*(free_port() for _ in range(4)))
    for part, owner in (("queue", "root"), ("data", "postfix")):
        (folder / part).mkdir()
        daemons.give(folder / part, owner)
    (folder / "main.cf").write_text(
        f"""compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps =
alias_maps =
alias_database =
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
smtpd_tls_cert_file = {certified.certificate}
smtpd_tls_key_file = {certified.key}
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{dovecot.auth}
smtpd_peername_lookup = no
"""
    )
    service = "inet n - n - 4 smtpd"
    submission = "-o smtpd_tls_auth_only=yes -o smtpd_sasl_auth_enable=yes"
    (folder / "master.cf").write_text(
        f"""127.0.0.1:{ports.smtp} {service}
127.0.0.1:{ports.submission} {service} {submission}
127.0.0.1:{ports.smtps} {service} {submission} -o smtpd_tls_wrappermode=yes
127.0.0.1:{ports.closed} {service} -o smtpd_client_restrictions=reject -o smtpd_delay_reject=no
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
    )

    def ready() -> bool:
        return all(answers(port) for port in (ports.smtp, ports.submission, ports.smtps, ports.closed))

    with running([program, "-c", str(folder), "start-fg"], folder, ready):
        try:
            yield ports
        finally:  # its master is in a session of its own
            master = int((folder / "queue" / "pid" / "master.pid").read_text())
            os.kill(master, signal.SIGTERM)
            assert daemons.ends(master)


@dataclass(frozen=True)
class Vsftpd:
    ftp: int
    user: str
    password: str


@pytest.fixture(scope="session")
def vsftpd(public: Path, certified: Certified) -> Iterator[Vsftpd]:
    """Anonymous only, and only with one password: a login that needs no account of this machine."""
    with _vsftpd(public, certified) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_over_tls(public: Path, certified: Certified) -> Iterator[Vsftpd]:
    """The same, and nothing in the clear: no login, and no file."""
    with _vsftpd(public, certified, "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES") as server:
        yield server


@contextmanager
def _vsftpd(public: Path, certified: Certified, *settings: str) -> Iterator[Vsftpd]:
    program, port = needs("vsftpd"), free_port()
    folder = fresh(public, f"vsftpd-{port}")
    (folder / "empty").mkdir(mode=0o755)
    (folder / "root").mkdir(mode=0o755)
    (folder / "root" / "state").write_text("in service\n")
    (folder / "root" / "state").chmod(0o644)
    (folder / "root" / "large").write_bytes(b"x" * 1_000_000)
    (folder / "root" / "large").chmod(0o644)
    (folder / "passwords").write_text("right@example.org\n")
    (folder / "vsftpd.conf").write_text(
        f"""listen=YES
background=NO
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=YES
local_enable=NO
secure_email_list_enable=YES
email_password_file={folder}/passwords
anon_root={folder}/root
secure_chroot_dir={folder}/empty
ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file={certified.certificate}
rsa_private_key_file={certified.key}
ssl_tlsv1=YES
xferlog_enable=NO
seccomp_sandbox=NO
isolate_network=NO
isolate=NO
ftpd_banner=ready
"""
        + "".join(f"{setting}\n" for setting in settings)
    )
    with running([program, str(folder / "vsftpd.conf")], folder, lambda: answers(port)):
        yield Vsftpd(port, "anonymous", "right@example.org")


@pytest.fixture(scope="session")
def leafnode(public: Path) -> Iterator[int]:
    """A news server that speaks to its standard input, on a port, in namespaces where the machine has a full name."""
    program, folder, port = needs("leafnode"), fresh(public, "leafnode"), free_port()
    (folder / "etc").mkdir()
    (folder / "etc" / "config").write_text(
        "server = news.vedette.net\nexpire = 20\nhostname = news.vedette.net\nallowstrangers = 42\n"
    )
    (folder / "hosts").write_text("127.0.0.1 news.vedette.net localhost\n")
    for name in ("interesting.groups", "leaf.node", "message.id", "out.going", "temp.files", "failed.postings"):
        (folder / "spool" / name).mkdir(parents=True)
    (folder / "spool" / "leaf.node" / "groupinfo").write_text("local.test 1 1 1700000000 Test\n")
    for path in (folder / "etc", folder / "spool", *(folder / "etc").rglob("*"), *(folder / "spool").rglob("*")):
        daemons.give(path, "news")
    script = folder / "start"
    script.write_text(
        f"""hostname news.vedette.net
mount --bind {folder}/etc /etc/news/leafnode
mount --bind {folder}/spool /var/spool/news
mount --bind {folder}/hosts /etc/hosts
exec {sys.executable} {Path(__file__).parent / "inetd.py"} {port} {program}
"""
    )
    with running(["unshare", "--uts", "--mount", "sh", str(script)], folder, lambda: answers(port)):
        yield port


@pytest.fixture(scope="session")
def kamailio(public: Path) -> Iterator[int]:
    """Answers OPTIONS by 200 over UDP and TCP; for `gone` by 404, for `slow` by 100 first."""
    program, folder, port = needs("kamailio"), fresh(public, "kamailio"), daemons.free_port_of_both()
    (folder / "kamailio.cfg").write_text(
        f"""#!KAMAILIO
fork=no
children=1
tcp_children=1
log_stderror=yes
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
loadmodule "sl.so"
loadmodule "pv.so"
request_route {{
  if ($rU == "gone") {{
    sl_send_reply("404", "Not here");
    exit;
  }}
  if ($rU == "slow") {{
    sl_send_reply("100", "Trying");
  }}
  sl_send_reply("200", "OK");
  exit;
}}
"""
    )
    command = [program, "-f", "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(folder)]
    with running(command, folder, lambda: answers(port)):
        yield port


@pytest.fixture(scope="session")
def chrony(public: Path) -> Iterator[int]:
    """A clock that is its own reference, of stratum 3; our machine's clock is not touched."""
    program, folder, port = needs("chronyd"), fresh(public, "chrony"), free_port(socket.SOCK_DGRAM)
    (folder / "chrony.conf").write_text(
        f"local stratum 3\nallow 127.0.0.1\nport {port}\nbindaddress 127.0.0.1\ncmdport 0\n"
        f"pidfile {folder}/pid\nbindcmdaddress /\nuser root\n"
    )

    def ready() -> bool:
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect(("127.0.0.1", port))
            try:
                probe.send(bytes([0x23]).ljust(48, b"\0"))
                return len(probe.recv(100)) >= 48
            except OSError:
                return False

    with running([program, "-d", "-x", "-f", "chrony.conf"], folder, ready):
        yield port
