"""Health checks: one vocabulary for real servers, tracked conditions and watched services."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import (
    Address,
    Addresses,
    Duration,
    FilePath,
    Item,
    Many,
    Name,
    Port,
    Reference,
    Secret,
    Shape,
    Statuses,
    Text,
    Words,
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

DIGEST = r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$"
HEX = r"^([0-9A-Fa-f]{2} ?)+$"
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
Count = Annotated[int, Field(ge=1, le=100)]
RequestPath = Annotated[str, Field(max_length=4096)]
BodyDigest = Annotated[str, Field(max_length=80, pattern=DIGEST)]


class HttpExpect(Shape):
    """What an answer must look like."""

    status: Annotated[Many[Statuses], Field(min_length=1, max_length=32)] | None = optional(
        "Accepted status codes and ranges of them.", default="[200-299]"
    )
    body: Text | None = optional("Regular expression that the first 64 KiB of the body must contain.")
    body_absent: Text | None = optional("Regular expression that the first 64 KiB of the body must not contain.")
    digest: BodyDigest | None = optional("Digest of the whole body: `md5:` or `sha256:` and hexadecimal digits.")


class HttpRequest(Shape):
    """One of several requests; what is not written here is as in the check."""

    path: RequestPath = required("Path and query.")
    method: Method | None = optional("Request method.")
    send: Text | None = optional("Body of the request.")
    expect: HttpExpect | None = optional("What the answer must look like.")


class Http(Shape):
    """Requests, each over a new connection; redirects are not followed."""

    path: RequestPath | None = optional("Path and query.", default="/")
    method: Method | None = optional("Request method.", default="GET")
    send: Text | None = optional("Body of the request.")
    host: Annotated[str, Field(max_length=255)] | None = optional("Host header.", default="the real server's address")
    headers: Words | None = optional("Further request headers.")
    protocol: Literal["HTTP/1.0", "HTTP/1.1", "HTTP/2"] | None = optional(
        "What to speak; without TLS, HTTP/2 by prior knowledge.", default="HTTP/1.1"
    )
    username: Text | None = optional("User to authenticate as.")
    password: Secret | None = optional("Password of that user.")
    authentication: Literal["basic", "digest"] | None = optional("How user and password are sent.", default="basic")
    requests: Annotated[Many[HttpRequest], Field(min_length=1, max_length=16)] | None = optional(
        "Several requests, in order, instead of `path`; all must be answered as expected."
    )
    expect: HttpExpect | None = optional("What the answer must look like.")


class Https(Http):
    """HTTP requests over TLS."""

    server_name: Annotated[str, Field(max_length=255)] | None = optional(
        "Name for SNI and for verification.", default="`host`, or the real server's address"
    )
    verify: bool | None = optional("Whether the certificate must be valid.", default="true")
    ca_file: FilePath | None = optional("Certificate authorities.", default="those of the system")
    certificate_file: FilePath | None = optional("Certificate to show to the server, with its chain.")
    key_file: FilePath | None = optional("Private key of that certificate; mode 0600.")
    expiry_warning: Duration | None = optional(
        "How long before the certificate ends `vedette status` warns; 0s = never.", default="14d"
    )


class Tcp(Shape):
    """The connection must be accepted."""


class Udp(Shape):
    """A datagram; without ``expect`` only an ICMP error counts as a failure."""

    send: Text | None = optional("Text to send.", default="an empty datagram")
    send_hex: Annotated[str, Field(max_length=4096, pattern=HEX)] | None = optional(
        "Bytes to send, as hexadecimal digits, instead of `send`."
    )
    expect: Text | None = optional(
        "Regular expression that the answer must contain; an answer that is not UTF-8 is read as Latin-1."
    )


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
    jitter: Duration | None = optional(
        "How much earlier than that a check may start, by chance.", default="1/64 of the interval"
    )
    rise: Count | None = optional("Successes in a row that bring a server up.", default="2")
    fall: Count | None = optional("Failures in a row that take it down.", default="3")


class Probe(Timings):
    """What to do, where, and how often."""

    tcp: Tcp | None = optional("Connect.")
    http: Http | None = optional("HTTP request.")
    https: Https | None = optional("HTTP request over TLS.")
    udp: Udp | None = optional("UDP datagram.")
    ping: Ping | None = optional("ICMP echo.")
    dns: Dns | None = optional("DNS query.")
    smtp: Smtp | None = optional("SMTP: greeting, EHLO, TLS, login.")
    imap: Mail | None = optional("IMAP: greeting, TLS, login.")
    pop3: Mail | None = optional("POP3: greeting, TLS, login.")
    ftp: Ftp | None = optional("FTP: greeting, login, file.")
    nntp: Nntp | None = optional("NNTP: greeting, login, newsgroup.")
    ldap: Ldap | None = optional("LDAP: TLS, bind, search.")
    sql: Sql | None = optional("SQL: TLS, login, query.")
    redis: Redis | None = optional("Redis: TLS, login, PING, role.")
    radius: Radius | None = optional("RADIUS request.")
    sip: Sip | None = optional("SIP OPTIONS.")
    ntp: Ntp | None = optional("NTP query.")
    grpc: Grpc | None = optional("gRPC health service.")
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
    source_address: Addresses | None = optional(
        "Address to check from; of a range, the first that the node has. It holds for real servers of its family.",
        default="the kernel's choice",
    )
    firewall_mark: Annotated[int, Field(ge=1, le=4294967295)] | None = optional(
        "Mark of the check's packets, for routing rules and nftables.", default="none"
    )
    via: Literal["direct", "service"] | None = optional(
        "direct: to the real server's address. service: to the virtual address, the way that clients' packets go; "
        "`port` is one of the service's then.",
        default="direct",
    )


class NamedCheck(Probe, Item):
    """A check shared by name."""

    one_of = KINDS

    name: Name = required("What `use` refers to.")


class Check(Probe, Item):
    """A check written in place, or one taken from ``spec.checks``; what is written here wins."""

    one_of = ("use", *KINDS)

    use: Reference | None = optional("Name of one of spec.checks.")
