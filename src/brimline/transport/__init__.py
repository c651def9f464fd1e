"""The transport moves bytes: one pooled session for each endpoint, behind a narrow protocol."""

from brimline.transport.http import HttpTransport, Transport
from brimline.transport.sigv4 import SignedTransport

__all__ = ["HttpTransport", "SignedTransport", "Transport"]
