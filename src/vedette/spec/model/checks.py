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
    later,
    optional,
    required,
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


class Dns(Shape):
    """A query must be answered."""

    name: Annotated[str, Field(max_length=255)] | None = optional("Name to ask for.", default="the root")
    type: Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] | None = optional(
        "Record type.", default="A"
    )
    expect: Text | None = optional("What one of the answers must be.")


class Login(Shape):
    """A mail or file service: its greeting must come, and the login work if one is given."""

    username: Text | None = optional("User to log in as.")
    password: Secret | None = optional("Password of that user.")


class Smtp(Login):
    helo: Annotated[str, Field(max_length=255)] | None = optional("Name to greet with.")
    starttls: bool | None = optional("Whether to go on over TLS.", default="false")


class Ftp(Login):
    path: Annotated[str, Field(max_length=4096)] | None = optional("File to fetch.")


class Nntp(Login):
    pass


class Ldap(Login):
    base: Text | None = optional("Base of the search.", default="the root DSE")
    filter: Text | None = optional("Search filter.")


class Sql(Login):
    """A query must give a row."""

    dialect: Literal["mysql", "postgresql"] = required("Which protocol to speak.")
    database: Text | None = optional("Database to use.")
    query: Text | None = optional("Query to send.", default="SELECT 1")


class Redis(Login):
    pass


class Radius(Login):
    secret: Secret | None = optional("Shared secret with the server.")


class Sip(Shape):
    username: Text | None = optional("User part of the request URI.")


class Ntp(Shape):
    max_stratum: Annotated[int, Field(ge=1, le=15)] | None = optional("Highest stratum that counts as up.")


class Grpc(Shape):
    """The standard health service (grpc.health.v1) must say SERVING."""

    service: Annotated[str, Field(max_length=255)] | None = optional("Service to ask about.", default="the server")


class Step(Shape):
    """One step of a dialogue: exactly one of sending and expecting."""

    one_of = ("send", "expect")

    send: Text | None = optional("What to send.")
    expect: Text | None = optional("Regular expression to wait for.")


class Dialogue(Shape):
    """Texts sent and expected in turn over one connection."""

    steps: Annotated[Many[Step], Field(min_length=1, max_length=32)] = required("The steps, in order.")


class Exec(Shape):
    """A command must end with 0."""

    command: Annotated[Many[Text], Field(min_length=1, max_length=64)] = required("Program and arguments; no shell.")


class FileCheck(Shape):
    """A file must exist."""

    path: FilePath = required("The file.")
    expect: Text | None = optional("Regular expression that it must contain.")


KINDS = (
    "tcp", "http", "https", "udp", "ping", "dns", "smtp", "imap", "pop3", "ftp", "nntp", "ldap", "sql", "redis",
    "radius", "sip", "ntp", "grpc", "dialogue", "exec", "process", "systemd", "file",
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
    dns: Dns | None = later("checks of kind dns", "DNS query.")
    smtp: Smtp | None = later("checks of kind smtp", "SMTP greeting.")
    imap: Login | None = later("checks of kind imap", "IMAP greeting.")
    pop3: Login | None = later("checks of kind pop3", "POP3 greeting.")
    ftp: Ftp | None = later("checks of kind ftp", "FTP greeting or file.")
    nntp: Nntp | None = later("checks of kind nntp", "NNTP greeting.")
    ldap: Ldap | None = later("checks of kind ldap", "LDAP search.")
    sql: Sql | None = later("checks of kind sql", "SQL query.")
    redis: Redis | None = later("checks of kind redis", "Redis PING.")
    radius: Radius | None = later("checks of kind radius", "RADIUS request.")
    sip: Sip | None = later("checks of kind sip", "SIP OPTIONS.")
    ntp: Ntp | None = later("checks of kind ntp", "NTP query.")
    grpc: Grpc | None = later("checks of kind grpc", "gRPC health service.")
    dialogue: Dialogue | None = later("checks of kind dialogue", "Texts sent and expected in turn.")
    exec: Exec | None = later("checks of kind exec", "External command.")
    process: Text | None = later("checks of kind process", "Name of a process that must run here.")
    systemd: Text | None = later("checks of kind systemd", "Unit that must be active here.")
    file: FileCheck | None = later("checks of kind file", "File that must exist here.")
    port: Port | None = optional("Port to check.", default="the real server's")
    address: Address | None = optional("Address to check.", default="the real server's")
    source_address: Addresses | None = optional(
        "Address to check from; of a range, the first that the node has. It holds for real servers of its family.",
        default="the kernel's choice",
    )
    firewall_mark: Annotated[int, Field(ge=1, le=4294967295)] | None = optional(
        "Mark of the check's packets, for routing rules and nftables.", default="none"
    )
    via: Literal["direct", "service"] | None = later(
        "via: service",
        "direct: to the real server's address. service: to the virtual address, the way that clients' packets go.",
        values=("service",),
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
