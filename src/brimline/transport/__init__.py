"""The transport moves bytes: one pooled session for each endpoint, behind a narrow protocol."""

from brimline.transport.http import HttpTransport, Transport

__all__ = ["HttpTransport", "Transport"]
