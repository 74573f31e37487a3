"""TLS without a socket: records in, text out, so that the raw socket and its receive times stay ours."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator

from locustfiles._target import Failure, Target

RECORD_BYTES = 16384  # the largest TLS record
SEAL_BYTES = 4 * RECORD_BYTES  # a prompt of megabytes is encrypted piece by piece, each when the one before is written
PLAIN_HTTP = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
)


@functools.cache
def context_of(ca_file: str | None, client_cert: str | None, client_key: str | None) -> ssl.SSLContext:
    """A verifying client context that offers http/1.1 only; shared, since a trust store takes a megabyte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    if client_cert:
        context.load_cert_chain(client_cert, client_key)
    return context


class Tls:
    """One TLS session over two memory buffers."""

    __slots__ = ("_incoming", "_outgoing", "_session")

    def __init__(self, target: Target) -> None:
        context = context_of(target.ca_file, target.client_cert, target.client_key)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = target.server_name or target.host
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def shake(self, received: bytes) -> bool:
        """Take what the server sent; True when the handshake is complete. What to answer is in `sealed`."""
        self._incoming.write(received)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def open(self, received: bytes) -> Iterator[bytes]:
        """The decrypted pieces that `received` completes; b"" last when the server ended the session."""
        incoming, session = self._incoming, self._session
        incoming.write(received)
        try:
            while incoming.pending or session.pending():
                piece = session.read(4 * RECORD_BYTES)
                yield piece
                if not piece:
                    return
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            yield b""

    def seal(self, text: memoryview) -> int:
        """Encrypt the beginning of `text`; returns how much. The records are in `sealed`."""
        return self._session.write(text[:SEAL_BYTES])

    @property
    def speaks(self) -> bool:
        """Whether the session itself has something to send."""
        return self._outgoing.pending > 0

    def sealed(self) -> bytes:
        """What has to be sent to the server: records, handshake messages, alerts. Each is given once."""
        return self._outgoing.read()


def refusal(error: OSError, target: Target) -> Failure:
    """A TLS error as one line that says what to do."""
    name = target.server_name or target.host
    reason = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")  # not every alert has a reason
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {name} is not accepted ({error.verify_message}): ca_file names whom to trust"
    elif "NO_APPLICATION_PROTOCOL" in reason:
        text = f"{target.place} speaks HTTP/2 only: put an HTTP/1.1 endpoint in front of it"
    elif any(plain in reason for plain in PLAIN_HTTP):
        text = f"{target.place} does not speak TLS: is it http:// ?"
    elif "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        text = f"{target.place} refused the handshake ({reason}): does it ask for client_cert and client_key?"
    else:
        text = f"TLS with {target.place} failed: {error.strerror or error}"
    return Failure("tls", text)
