"""TLS on the server's side without a socket: records in, text out, so that a send stays one write when it is due."""

from __future__ import annotations

import ssl


def context_of(cert: str, key: str | None) -> ssl.SSLContext:
    """A server context that speaks http/1.1 only; ValueError when the files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        files = f"--tls-cert {cert}" + (f" --tls-key {key}" if key else "")
        raise ValueError(f"{files}: no certificate with its key can be read: {error.strerror or error}") from None
    return context


class Session:
    """One client's TLS session over two memory buffers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False

    def open(self, received: bytes) -> bytes:
        """The text that `received` completes; what the session answers by itself is in `sealed`. Raises SSLError."""
        self._incoming.write(received)
        text = b""
        try:
            if not self._shaken:
                self._session.do_handshake()
                self._shaken = True
            while piece := self._session.read(65536):
                text += piece
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):  # no whole record is left; the client has said goodbye
            pass
        return text

    def seal(self, text: bytes) -> bytes:
        """The records of a text."""
        self._session.write(text)
        return self._outgoing.read()

    def sealed(self) -> bytes:
        """Handshake messages and alerts that are to be sent; each is given once."""
        return self._outgoing.read()
