"""Health checks that the slow lane carries out: those that need a library, a program, a file or a dialogue."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import FilePath, Many, Secret, Shape, Text, optional, required


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
