"""What went wrong on the wire, as a fault."""

import re

import aiohttp

from brimline.types import Fault, FaultKind

FAILURES = (aiohttp.ClientError, OSError)
"""What sending and reading raise."""


def explain(error: BaseException) -> Fault:
    """Return the fault that one of `FAILURES` is."""
    if isinstance(error, aiohttp.InvalidURL):
        return Fault(FaultKind.NOT_FOUND, f"the base URL is none: {_words(error)}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        kind = FaultKind.AUTH if error.status == 407 else FaultKind.CONNECTION
        return Fault(kind, f"the proxy refuses: {error.status} {error.message}", http_status=error.status)
    if isinstance(error, aiohttp.ClientResponseError):
        return Fault(FaultKind.BAD_REPLY, f"the reply is no HTTP: {error.message}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Fault(FaultKind.CONNECTION, f"the reply broke off: {_broken(str(error))}")
    return Fault(FaultKind.CONNECTION, _words(error))


def _broken(words: str) -> str:
    """Return what aiohttp says of it, without its repr: that holds a status of 400, which nobody sent."""
    told = re.search(r"message='(.*?)\.?'", words)
    return told[1] if told else words


def _words(error: BaseException) -> str:
    """Describe an exception for people; some have no text of their own."""
    return str(error) or type(error).__name__
