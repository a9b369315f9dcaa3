"""A TLS connection that resumes the session of another one, for which asyncio's streams have no parameter."""

import ssl
from typing import Self


class Resuming(ssl.SSLContext):
    """Makes connections of the ``context`` of ``former``, in the session that this has by now.

    FTP servers want it of data connections: it shows that they come from who has logged in (RFC 4217 section 10.2).
    """

    def __new__(cls, former: ssl.SSLObject) -> Self:
        del former
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, former: ssl.SSLObject) -> None:
        self._former = former

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As of the former connection's context, whose certificate authorities and settings hold here too."""
        known = session or self._former.session
        return self._former.context.wrap_bio(incoming, outgoing, server_side, server_hostname, known)
