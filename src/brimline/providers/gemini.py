"""Google's Gemini: the Developer API, and Vertex AI, which has the same bodies at other paths.

Parameters are in `gemini_params`; what comes back is read in `gemini_replies`. Sources: the official Python SDK 3.4 and the
API reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.canonical import Misplaced, Unsayable, conversation, split_system, text_of
from brimline.providers.gemini_contents import NAME, contents
from brimline.providers.gemini_params import camel, settings
from brimline.providers.gemini_replies import CandidateReader, read_candidates
from brimline.providers.gemini_vectors import read_vectors
from brimline.providers.params import Params, reserved
from brimline.providers.texts import count_texts, texts
from brimline.types import (
    Advert,
    Fault,
    HttpReply,
    HttpRequest,
    Operation,
    Request,
    Response,
    Secret,
)

_RESERVED = ("model", "messages", "contents", "stream")
_encode = msgspec.json.Encoder().encode


class Gemini:
    """The dialect of Google's `generateContent`.

    Args:
        options: `api_version`, v1beta if it is not given: not all that is here exists in v1.
    """

    OPTIONS = frozenset({"api_version"})
    INLINE = 20 << 20
    BUNDLE = 100
    """How many texts it takes to embed in one request."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["x-goog-api-key"] = key.reveal()
        return headers

    def problem(self, request: Request) -> str | None:
        """Return what this dialect cannot say; to find out, it is said."""
        try:
            self._exchange(request, ())
        except Misplaced:
            pass
        except Unsayable as error:
            return str(error)
        return reserved(request.params, _RESERVED)

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send contents, system instruction and parameters in their own places; or texts, to be embedded."""
        verb, body = self._exchange(request, responses)
        return HttpRequest(self._path(request.model_name, verb), _encode(body), {})

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in events."""
        verb, body = self._exchange(request, responses)
        if verb == "generateContent":
            verb = "streamGenerateContent?alt=sse"
        return HttpRequest(self._path(request.model_name, verb), _encode(body), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:
        """Return the answer, or why there is none."""
        if request.operation is Operation.EMBEDDING:
            return read_vectors(reply, count_texts(request))
        return read_candidates(reply)

    def reader(self, head: HttpReply, request: Request) -> CandidateReader:
        """Return a reader of the fragments of an answer."""
        count = request.params.get("n") or request.params.get("candidate_count") or 1
        return CandidateReader(head, count if isinstance(count, int) else 1)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say: nothing, unless something in between has limits of its own."""
        return read_adverts(reply.headers)

    def _path(self, model: str, verb: str) -> str:
        name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        return f"/{self._options.get('api_version', 'v1beta')}/{quote(name)}:{verb}"

    def _exchange(self, request: Request, responses: Sequence[Response]) -> tuple[str, dict[str, Any]]:
        """Return the method and the body of an exchange."""
        if request.operation is Operation.EMBEDDING:
            return self._embedding(request)
        if request.operation is not Operation.CHAT:
            raise Unsayable(f"{NAME} has no {request.operation.value}s")
        system, messages = split_system(conversation(request, responses), NAME)
        given = settings(request)
        if system:
            if "systemInstruction" in given:
                raise Unsayable(
                    "there is a system prompt both in the messages and in the parameters; take one out"
                )
            text = "\n\n".join(text_of(message.get("content")) for message in system)
            given["systemInstruction"] = {"parts": [{"text": text}]}
        return "generateContent", {"contents": contents(messages), **given}

    def _embedding(self, request: Request) -> tuple[str, dict[str, Any]]:
        params = _embedding_params(request)
        model = self._path(request.model_name, "").partition("/")[2].partition("/")[2].removesuffix(":")
        content = [
            {"model": model, "content": {"parts": [{"text": text}]}, **params} for text in texts(request)
        ]
        return "batchEmbedContents", {"requests": content}


class Vertex(Gemini):
    """The same at Vertex AI.

    Args:
        options: `project`, and `location`, global if it is not given; `api_version`, v1 if it is not given.
    """

    OPTIONS = frozenset({"api_version", "project", "location"})
    HAS_TOKENS = True
    """Without a key, Google's own credentials are looked for."""
    BUNDLE = 1
    """Its newest model takes one text in a request; older ones take more."""

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential, an access token."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        return headers

    def problem(self, request: Request) -> str | None:
        """Return what this dialect cannot say, or that nobody said whose project it is."""
        if "project" not in self._options and not request.model_name.startswith("projects/"):
            return (
                "Vertex AI wants to know the project: set VERTEXAI_PROJECT_ID or GOOGLE_CLOUD_PROJECT, or say "
                "project = ... in the endpoint's table"
            )
        return super().problem(request)

    def _path(self, model: str, verb: str) -> str:
        version = self._options.get("api_version", "v1")
        if not model.startswith("projects/"):
            place = f"projects/{self._options.get('project', '')}/locations/{self._options.get('location', 'global')}"
            published = model if model.startswith("publishers/") else f"publishers/google/models/{model}"
            model = f"{place}/{published}"
        return f"/{version}/{quote(model)}:{verb}"

    def _embedding(self, request: Request) -> tuple[str, dict[str, Any]]:
        params = _embedding_params(request)
        about = {"taskType": "task_type", "title": "title"}
        own = {name: params.pop(given) for given, name in about.items() if given in params}
        instances = [{"content": text, **own} for text in texts(request)]
        return "predict", {"instances": instances, **({"parameters": params} if params else {})}


def _embedding_params(request: Request) -> dict[str, Any]:
    params = Params(request.params)
    if params.take("encoding_format") not in (None, "float"):
        raise Unsayable(f"parameter 'encoding_format' does not exist for {NAME}; vectors come as numbers")
    dimensions = params.take("dimensions")
    named = {camel(name): value for name, value in params.rest.items()}
    return named if dimensions is None else {**named, "outputDimensionality": dimensions}
