"""Providers translate: a request to bytes, bytes to a response or a fault. Pure; nothing here waits or sends."""

from brimline.providers.adverts import read_adverts
from brimline.providers.base import (
    PROVIDERS,
    Provider,
    SigningProvider,
    StreamingProvider,
    StreamReader,
    find_provider,
)
from brimline.providers.faults import UNREADABLE, classify

__all__ = [
    "PROVIDERS",
    "UNREADABLE",
    "Provider",
    "SigningProvider",
    "StreamReader",
    "StreamingProvider",
    "classify",
    "find_provider",
    "read_adverts",
]
