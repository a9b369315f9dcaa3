"""Health checks: one vocabulary for real servers, tracked conditions and watched services."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import (
    Address,
    Duration,
    FilePath,
    Item,
    Many,
    Name,
    Port,
    Reference,
    Shape,
    Statuses,
    Text,
    Words,
    later,
    optional,
    required,
)
from vedette.spec.model.slow_checks import (
    Dialogue,
    Dns,
    Exec,
    FileCheck,
    Ftp,
    Grpc,
    Ldap,
    Mail,
    Nntp,
    Ntp,
    Radius,
    Redis,
    Sip,
    Smtp,
    Sql,
)

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT"]
Count = Annotated[int, Field(ge=1, le=100)]


class HttpExpect(Shape):
    """What an answer must look like."""

    status: Annotated[Many[Statuses], Field(min_length=1, max_length=32)] | None = optional(
        "Accepted status codes and ranges of them.", default="[200-299]"
    )
    body: Text | None = optional("Regular expression that the first 64 KiB of the body must contain.")


class Http(Shape):
    """A request over a new connection."""

    path: Annotated[str, Field(max_length=4096)] | None = optional("Path and query.", default="/")
    method: Method | None = optional("Request method.", default="GET")
    host: Annotated[str, Field(max_length=255)] | None = optional("Host header.", default="the real server's address")
    headers: Words | None = optional("Further request headers.")
    expect: HttpExpect | None = optional("What the answer must look like.")


class Https(Http):
    """An HTTP request over TLS."""

    server_name: Annotated[str, Field(max_length=255)] | None = optional("Name for SNI and for verification.")
    verify: bool | None = optional("Whether the certificate must be valid.", default="true")
    ca_file: FilePath | None = optional("Certificate authorities.", default="those of the system")


class Tcp(Shape):
    """The connection must be accepted."""


class Udp(Shape):
    """A datagram; without ``expect`` only an ICMP error counts as a failure."""

    send: Text | None = optional("What to send.")
    expect: Text | None = optional("Regular expression that the answer must contain.")


class Ping(Shape):
    """An ICMP echo must be answered."""


KINDS = (
    "tcp", "http", "https", "udp", "ping", "dns", "smtp", "imap", "pop3", "ftp", "nntp", "ldap", "sql", "redis",
    "radius", "sip", "ntp", "grpc", "dialogue", "exec", "process", "systemd", "file", "fixed",
)  # fmt: skip
"""The keys of which a check has exactly one."""


class Timings(Shape):
    """How often to check and when to believe it."""

    interval: Duration | None = optional("Time between the starts of two checks.", default="2s")
    timeout: Duration | None = optional("Time after which a check has failed.", default="1s, or the interval if less")
    rise: Count | None = optional("Successes in a row that bring a server up.", default="2")
    fall: Count | None = optional("Failures in a row that take it down.", default="3")


class Probe(Timings):
    """What to do, where, and how often."""

    tcp: Tcp | None = optional("Connect.")
    http: Http | None = optional("HTTP request.")
    https: Https | None = later("checks of kind https", "HTTP request over TLS.")
    udp: Udp | None = later("checks of kind udp", "UDP datagram.")
    ping: Ping | None = later("checks of kind ping", "ICMP echo.")
    dns: Dns | None = optional("DNS query.")
    smtp: Smtp | None = optional("SMTP: greeting, EHLO, TLS, login.")
    imap: Mail | None = optional("IMAP: greeting, TLS, login.")
    pop3: Mail | None = optional("POP3: greeting, TLS, login.")
    ftp: Ftp | None = optional("FTP: greeting, login, file.")
    nntp: Nntp | None = optional("NNTP: greeting, login, newsgroup.")
    ldap: Ldap | None = later("checks of kind ldap", "LDAP search.")
    sql: Sql | None = later("checks of kind sql", "SQL query.")
    redis: Redis | None = later("checks of kind redis", "Redis PING.")
    radius: Radius | None = later("checks of kind radius", "RADIUS request.")
    sip: Sip | None = optional("SIP OPTIONS.")
    ntp: Ntp | None = optional("NTP query.")
    grpc: Grpc | None = later("checks of kind grpc", "gRPC health service.")
    dialogue: Dialogue | None = optional("Texts sent and expected in turn.")
    exec: Exec | None = optional("External command.")
    process: Annotated[str, Field(min_length=1, max_length=255)] | None = optional(
        "Name of a process that must run here."
    )
    systemd: Annotated[str, Field(min_length=1, max_length=255)] | None = optional("Unit that must be active here.")
    file: FileCheck | None = optional("File that must exist here.")
    fixed: Literal["up", "down"] | None = optional("Always up, or always down.")
    port: Port | None = optional("Port to check.", default="the real server's")
    address: Address | None = optional("Address to check.", default="the real server's")
    source_address: Address | None = later("sourceAddress", "Address to check from.", default="the kernel's choice")


class NamedCheck(Probe, Item):
    """A check shared by name."""

    one_of = KINDS

    name: Name = required("What `use` refers to.")


class Check(Probe, Item):
    """A check written in place, or one taken from ``spec.checks``; what is written here wins."""

    one_of = ("use", *KINDS)

    use: Reference | None = optional("Name of one of spec.checks.")
