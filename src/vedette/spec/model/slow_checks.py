"""Health checks that the slow lane carries out: those that need a library, a program, a file or a dialogue."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vedette.spec.model.base import FilePath, Many, Secret, Shape, Statuses, Text, Words, optional, required


class Dns(Shape):
    """A query must be answered."""

    name: Annotated[str, Field(min_length=1, max_length=255)] | None = optional("Name to ask for.", default="the root")
    type: Annotated[str, Field(max_length=16, pattern=r"^[A-Z][A-Z0-9]*$")] | None = optional(
        "Record type: A, MX, TXT …, TYPE65280 for one without a name.", default="A, of the root NS"
    )
    expect: Text | None = optional(
        "What one of the answers must be: `203.0.113.80`, `10 mail.example.org.`.", default="any record of the type"
    )
    transport: Literal["udp", "tcp"] | None = optional("How to ask.", default="udp")


class Login(Shape):
    """Whom to log in as."""

    username: Text | None = optional("User to log in as.")
    password: Secret | None = optional("Password of that user.")


class OverTls(Shape):
    """How the server is spoken to over TLS, if it is. ``ways``: the values of `tls` that the protocol knows."""

    ways: ClassVar[tuple[str, ...]] = ("starttls", "implicit")

    tls: Literal["implicit", "starttls"] | None = optional(
        "Speak over TLS: implicit: from the beginning, starttls: by the protocol's command.", default="in the clear"
    )
    server_name: Annotated[str, Field(min_length=1, max_length=255)] | None = optional(
        "Name for SNI and for verification.", default="the address"
    )
    verify: bool | None = optional("Whether the certificate must be valid.", default="true")
    ca_file: FilePath | None = optional("Certificate authorities.", default="those of the system")


class Mail(OverTls, Login):
    """A mail server: its greeting must come, and the login work if one is given."""


class Smtp(Mail):
    """A mail server: its greeting must come, EHLO be accepted, and the login work if one is given."""

    helo: Annotated[str, Field(min_length=1, max_length=255)] | None = optional(
        "Name to greet with.", default="this node's address"
    )


class Ftp(OverTls, Login):
    """A file server: its greeting must come, the login work if one is given, and the file be there."""

    path: Annotated[str, Field(min_length=1, max_length=4096)] | None = optional(
        "File to fetch, anonymously where no user is given."
    )
    expect: Text | None = optional("Regular expression that the first 64 KiB of the file must contain.")


class Nntp(OverTls, Login):
    """A news server: its greeting must come, the login work if one is given, and the newsgroup be there."""

    group: Annotated[str, Field(min_length=1, max_length=255)] | None = optional("Newsgroup that it must carry.")


class Ldap(OverTls, Login):
    """A directory: the bind must be accepted, anonymous where no user is given, and the search find something."""

    base: Text | None = optional("Base of the search.", default="the root DSE")
    filter: Text | None = optional("Search filter (RFC 4515).", default="(objectClass=*)")
    scope: Literal["base", "one", "subtree"] | None = optional(
        "How deep to search.", default="base, with a `filter` subtree"
    )


class Sql(OverTls, Login):
    """A database: the login must be accepted, and a query give a row."""

    ways: ClassVar[tuple[str, ...]] = ("starttls",)

    tls: Literal["starttls"] | None = optional("Speak over TLS, by the protocol's command.", default="in the clear")
    dialect: Literal["mysql", "postgresql"] = required("Which protocol to speak; mysql is MariaDB's too.")
    database: Text | None = optional("Database to use.", default="mysql: none, postgresql: the user's name")
    query: Text | None = optional("Query to send.", default="SELECT 1")
    expect: Text | None = optional(
        "Regular expression that the first row must contain, its values separated by tabs.", default="any row"
    )


class Redis(OverTls, Login):
    """PING must be answered by PONG; `password` may stand alone."""

    ways: ClassVar[tuple[str, ...]] = ("implicit",)

    tls: Literal["implicit"] | None = optional("Speak over TLS.", default="in the clear")
    role: Literal["master", "replica"] | None = optional("What the server must be.", default="either")


class Radius(Login):
    """An Access-Request must be answered: by Access-Accept where a user is given, else by anything."""

    secret: Secret = required("Shared secret with the server.")


class Sip(Shape):
    """OPTIONS must be answered."""

    username: Annotated[str, Field(min_length=1, max_length=255)] | None = optional("User part of the request URI.")
    status: Annotated[Many[Statuses], Field(min_length=1, max_length=32)] | None = optional(
        "Accepted status codes and ranges of them.", default="[200]"
    )
    transport: Literal["udp", "tcp"] | None = optional("How to ask.", default="udp")


class Ntp(Shape):
    """The server's clock must be synchronised."""

    max_stratum: Annotated[int, Field(ge=1, le=15)] | None = optional(
        "Most steps from a reference clock.", default="15"
    )


class Grpc(OverTls):
    """The standard health service (grpc.health.v1) must say SERVING."""

    ways: ClassVar[tuple[str, ...]] = ("implicit",)

    tls: Literal["implicit"] | None = optional("Speak over TLS.", default="in the clear")
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
    """A command must end with 0; it knows the real server by VEDETTE_ADDRESS and VEDETTE_PORT."""

    command: Annotated[Many[Text], Field(min_length=1, max_length=64)] = required("Program and arguments; no shell.")
    arguments: Literal["none", "server", "ldirectord"] | None = optional(
        "What is appended. server: the real server's address and port. ldirectord: the virtual service's before them.",
        default="none",
    )
    dynamic_weight: bool | None = optional(
        "Whether an exit status of 2 to 255 is a weight of 0 to 253 (keepalived: misc_dynamic).", default="false"
    )
    user: Annotated[str, Field(min_length=1, max_length=32)] | None = optional(
        "User whose rights it has.", default="nobody"
    )
    environment: Words | None = optional("Further environment variables.")
    secret_files: Annotated[dict[str, FilePath], Field(max_length=16)] | None = optional(
        "Environment variables whose value is in a file (mode 0600)."
    )


class FileCheck(Shape):
    """A file must exist."""

    path: FilePath = required("The file; `{address}` in it stands for the real server's address.")
    expect: Text | None = optional("Regular expression that it must contain.")
    dynamic_weight: bool | None = optional(
        "Whether it holds the server's weight: a number up to 65535, or a share of the document's weight, `50%`.",
        default="false",
    )
