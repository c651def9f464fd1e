"""The nouns. Plain values without behaviour worth mocking."""

from brimline.types.advert import Advert
from brimline.types.fault import Fault, FaultKind
from brimline.types.outcome import Failure, Outcome, Success
from brimline.types.request import Message, Operation, Priority, Request
from brimline.types.response import Delta, Rejection, Response, Usage
from brimline.types.secret import Secret
from brimline.types.wire import HttpReply, HttpRequest

__all__ = [
    "Advert",
    "Delta",
    "Failure",
    "Fault",
    "FaultKind",
    "HttpReply",
    "HttpRequest",
    "Message",
    "Operation",
    "Outcome",
    "Priority",
    "Rejection",
    "Request",
    "Response",
    "Secret",
    "Success",
    "Usage",
]
