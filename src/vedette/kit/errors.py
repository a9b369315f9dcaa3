"""The one tree of errors, classed by what the caller should do about them::

    VedetteError
    ├── TransientError      try again later, with back-off (a busy kernel, a full queue, a peer that is away)
    ├── PermanentError      trying again changes nothing; a person must act (missing module, missing privilege)
    │   └── UsageError      the command line or a document is wrong; the message says what to write instead
    └── InvariantError      a promise of our own is broken: stop and release, do not limp

Errors are told apart by type and errno, never by text.
"""


class VedetteError(Exception):
    """Base of every error that Vedette raises on purpose; its text is fit for an operator."""


class TransientError(VedetteError):
    """May succeed when tried again."""


class PermanentError(VedetteError):
    """Will not succeed until a person changes something."""


class UsageError(PermanentError):
    """The caller's words are wrong; the text names the remedy."""


class InvariantError(VedetteError):
    """A promise inside Vedette is broken: a bug."""
