"""The transport moves bytes: one pooled session for each endpoint, behind a narrow protocol."""

from brimline.transport.google import TokenTransport, is_google
from brimline.transport.http import HttpTransport, StreamingTransport, Transport
from brimline.transport.sigv4 import SignedTransport
from brimline.transport.stream import ByteStream

__all__ = [
    "ByteStream",
    "HttpTransport",
    "SignedTransport",
    "StreamingTransport",
    "TokenTransport",
    "Transport",
    "is_google",
]
