"""AWS Bedrock's Converse: one dialect for the models of many vendors.

Source: botocore's service model of `bedrock-runtime`. With a key (`AWS_BEARER_TOKEN_BEDROCK`) requests carry it; without
one they are signed with AWS credentials, which is the transport's business since it depends on the time.

Bedrock reserves `maxTokens` of the quota when a request arrives, and the model's maximum where it is not set. So it is
always set: to 4,096 where nothing else is said. Parameters that are none of Converse's own are the model's, and go to
`additionalModelRequestFields`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from brimline.errors import ConfigError
from brimline.providers.bearer import bearer_headers
from brimline.providers.bedrock_content import turns_of
from brimline.providers.bodies import NO_BODY, bad_reply, header
from brimline.providers.canonical import (
    Params,
    Unsayable,
    chosen_function,
    conversation,
    functions,
    split_system,
    text_of,
)
from brimline.providers.openai_errors import classify
from brimline.providers.params import move, open_params, problem_of, take_form, take_object, take_texts
from brimline.providers.reading import members, objects, read_object, tool_call, used, word
from brimline.types import (
    Advert,
    Fault,
    FaultKind,
    HttpReply,
    HttpRequest,
    Operation,
    Request,
    Response,
    Secret,
)

MAX_TOKENS = 4096
"""The most tokens of an answer where nothing else is said."""

_RESERVED = ("model", "modelId", "messages", "stream", "system")
_UNKNOWN = (
    "n", "seed", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias",
    "parallel_tool_calls",
)  # fmt: skip
_INFERENCE = {
    "max_tokens": "maxTokens",
    "max_completion_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
}
_MEMBERS = (
    "guardrailConfig", "promptVariables", "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig",
    "serviceTier",
)  # fmt: skip
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_WITHOUT_ANSWER = {
    "guardrail_intervened": (FaultKind.CONTENT_FILTER, "a guardrail withheld the answer"),
    "content_filtered": (FaultKind.CONTENT_FILTER, "the provider's filter withheld the answer"),
    "malformed_model_output": (FaultKind.SERVER_ERROR, "the model's output was malformed"),
    "malformed_tool_use": (FaultKind.SERVER_ERROR, "the model's tool call was malformed"),
}
"""Stop reasons that mean a fault where there is neither a text nor a call."""

_KINDS = {
    "ModelNotReadyException": FaultKind.OVERLOADED,
    "ServiceQuotaExceededException": FaultKind.QUOTA_EXHAUSTED,
    "IncompleteSignatureException": FaultKind.AUTH,
    "IncompleteSignature": FaultKind.AUTH,
}
"""What exceptions mean whose status says something else."""

_NO_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput|inference profile|access to the model", re.IGNORECASE
)
_RAN_OUT = re.compile(r"too many (requests|tokens)(?:.*(per day))?", re.IGNORECASE)
_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")

_encode = msgspec.json.Encoder().encode


class Bedrock:
    """The Converse dialect.

    Args:
        options: `region`, for signing where the base URL does not say it, and where the endpoint is.
    """

    OPTIONS = frozenset({"region", "base_url"})

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential, if it is a bearer's."""
        return bearer_headers(key)

    def signature(self) -> tuple[str, str]:
        """Return service and region for which requests are signed where there is no key.

        Raises:
            ConfigError: The region is not known.
        """
        host = _HOST.fullmatch(urlsplit(self._options.get("base_url", "")).hostname or "")
        region = self._options.get("region") or (host[1] if host else None)
        if region is None:
            raise ConfigError(
                "Bedrock needs a region to sign for", hint='Set region = "us-east-1" or AWS_REGION.'
            )
        return "bedrock", region

    def problem(self, request: Request) -> str | None:
        """Several answers at once, a seed, log probabilities and files by URL cannot be asked for."""
        return problem_of(lambda: _say(request, ()))

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages with the history so far."""
        path = f"/model/{quote(request.model_name, safe='')}/converse"
        return HttpRequest(path, _encode(_say(request, responses)), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return _refusal(reply)
        try:
            return _answer(reply, read_object(reply.body))
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is none of Converse's: {error}")

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:  # noqa: ARG002
        """Return nothing: Bedrock says nothing about its limits."""
        return ()


def _say(request: Request, responses: tuple[Response, ...]) -> dict[str, Any]:
    """Return the body of an exchange.

    Raises:
        Unsayable: Converse has no words for it.
    """
    if request.operation is not Operation.CHAT:
        raise Unsayable(f"Converse is for chats; there is no {request.operation}")
    params = open_params(request, _RESERVED)
    params.refuse("Bedrock", *_UNKNOWN)
    system, messages = split_system(conversation(request, responses), "Bedrock")
    body: dict[str, Any] = {"messages": turns_of(messages)}
    if system:
        body["system"] = [{"text": text_of(message.get("content"))} for message in system]
    body["inferenceConfig"] = _inference(params)
    if tools := _tools(params, has_calls=any(message.get("tool_calls") for message in messages)):
        body["toolConfig"] = tools
    if output := _output(request, params):
        body["outputConfig"] = output
    if (tier := params.take("service_tier")) is not None:
        body["serviceTier"] = {"type": tier}
    body |= {name: params.rest.pop(name) for name in _MEMBERS if name in params.rest}
    own = take_object(params, "additionalModelRequestFields")
    if own := params.rest | own:
        body["additionalModelRequestFields"] = own
    return body


def _inference(params: Params) -> dict[str, Any]:
    given = take_object(params, "inferenceConfig")
    config = {"maxTokens": MAX_TOKENS, **move(params, _INFERENCE)}
    if "maxTokens" in params.rest:
        config["maxTokens"] = params.rest.pop("maxTokens")
    if stop := take_texts(params, "stop"):
        config["stopSequences"] = stop
    return config | given


def _tools(params: Params, *, has_calls: bool) -> dict[str, Any]:
    """Return the tools and which of them to use; none at all where there are none, or none is to be used."""
    given = take_object(params, "toolConfig")
    choice, tools = params.take("tool_choice"), params.take("tools")
    if choice == "none":
        if has_calls:
            raise Unsayable(
                "parameter 'tool_choice' cannot be 'none' for Bedrock once tools have been called"
            )
        return {}
    if tools is None:
        return given
    specs = [tool if function is None else _spec(function) for function, tool in functions(tools)]
    named = chosen_function(choice)
    if named is not None:
        chosen: dict[str, Any] = {"toolChoice": {"tool": {"name": named}}}
    elif choice in (None, "auto"):
        chosen = {}
    elif choice == "required":
        chosen = {"toolChoice": {"any": {}}}
    else:
        raise Unsayable("parameter 'tool_choice' is neither auto, none, required, nor a function")
    return {"tools": specs, **chosen, **given}


def _spec(function: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": function.get("name"),
        "inputSchema": {"json": function.get("parameters") or {"type": "object", "properties": {}}},
    }
    return {
        "toolSpec": spec | {name: function[name] for name in ("description", "strict") if function.get(name)}
    }


def _output(request: Request, params: Params) -> dict[str, Any]:
    output = take_object(params, "outputConfig")
    wants_json, schema = take_form(request, params)
    if wants_json:
        if schema is None:
            raise Unsayable("parameter 'response_format' needs a schema for Bedrock")
        described = {"name": "answer", "schema": _encode(schema).decode()}
        output.setdefault("textFormat", {"type": "json_schema", "structure": {"jsonSchema": described}})
    effort = params.take("reasoning_effort")
    if effort not in (None, "none"):
        output.setdefault("effort", effort)
    return output


def _answer(reply: HttpReply, document: Mapping[str, Any]) -> Response | Fault:
    message = members(document.get("output")).get("message")
    if not isinstance(message, dict):
        return bad_reply(reply, "the reply holds no message")
    blocks = objects(message.get("content"))
    text = "".join(_texts(blocks))
    uses = [members(block["toolUse"]) for block in blocks if "toolUse" in block]
    calls = tuple(tool_call(use.get("toolUseId"), use.get("name"), use.get("input")) for use in uses)
    reason = word(document.get("stopReason"))
    if reason in _WITHOUT_ANSWER and not text and not calls:
        kind, words = _WITHOUT_ANSWER[reason]
        return Fault(kind, words, http_status=reply.status, provider_code=reason)
    thoughts = (
        members(members(block.get("reasoningContent")).get("reasoningText")).get("text") for block in blocks
    )
    usage, router = (
        members(document.get("usage")),
        members(members(document.get("trace")).get("promptRouter")),
    )
    return Response(
        text=text,
        finish_reason=_REASONS.get(reason or "", reason),
        usage=used(
            usage.get("inputTokens"),
            usage.get("outputTokens"),
            usage.get("cacheReadInputTokens"),
            usage.get("cacheWriteInputTokens"),
            is_apart=True,
        ),
        model=word(router.get("invokedModelId")),
        request_id=header(reply, "x-amzn-requestid"),
        tool_calls=calls,
        reasoning="".join(filter(None, map(word, thoughts))) or None,
        raw=reply.body,
    )


def _texts(blocks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Return the texts of blocks; a text with citations has a block of its own."""
    for block in blocks:
        cited = objects(members(block.get("citationsContent")).get("content"))
        yield from (part["text"] for part in (block, *cited) if isinstance(part.get("text"), str))


def _refusal(reply: HttpReply) -> Fault:
    """Return what an exception means; its name is in a header or in the body."""
    try:
        body = read_object(reply.body)
    except NO_BODY:
        body = {}
    named = reply.headers.get("x-amzn-errortype") or word(body.get("__type")) or ""
    name = named.partition(":")[0].rpartition("#")[2]
    words = word(body.get("message")) or word(body.get("Message")) or ""
    if name or words:
        reply = HttpReply(reply.status, reply.headers, _encode({"message": words or name, "code": name}))
    fault = classify(reply)
    kind = _KINDS.get(name, fault.kind)
    if name in {"ValidationException", "AccessDeniedException"} and _NO_MODEL.search(words):
        kind = FaultKind.NOT_FOUND
    ran_out = _RAN_OUT.match(words) if kind is FaultKind.RATE_LIMITED else None
    if ran_out and ran_out[2]:
        kind = FaultKind.QUOTA_EXHAUSTED
    return replace(fault, kind=kind, dimension=ran_out[1].lower() if ran_out else fault.dimension)
