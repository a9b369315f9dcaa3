"""Whom to tell what; never in the way of a takeover."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import Duration, Item, Many, Secret, Shape, Text, Words, optional, required

EventName = Literal[
    "all", "acquired", "released", "failed", "nodeUp", "nodeLate", "nodeDown", "quorumLost", "quorumGained",
    "serverUp", "serverDown", "fenced", "fencingFailed", "specRejected",
]  # fmt: skip


class NotifyExec(Shape):
    """A command."""

    command: Annotated[Many[Text], Field(min_length=1, max_length=64)] = required("Program and arguments; no shell.")
    timeout: Duration | None = optional("Time after which it is ended.", default="30s")


class Email(Shape):
    """Mail."""

    to: Annotated[Many[Text], Field(min_length=1, max_length=32)] = required("Receivers.")
    sender: Text | None = optional("Sender.")
    server: Text | None = optional("Mail server.", default="the local one")
    at_most_every: Duration | None = optional("Events in between are put into one mail.", default="5m")


class Webhook(Shape):
    """An HTTP POST of the event as JSON."""

    url: Text = required("Where to.")
    headers: Words | None = optional("Further headers.")
    token: Secret | None = optional("Bearer token.")


class Notification(Item):
    """Events, and one way of telling them."""

    one_of = ("exec", "email", "webhook")

    events: Annotated[Many[EventName], Field(min_length=1, max_length=32)] = required("Which events.")
    exec: NotifyExec | None = optional("Run a command.")
    email: Email | None = optional("Send mail.")
    webhook: Webhook | None = optional("Send an HTTP request.")
