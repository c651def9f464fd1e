"""AWS Bedrock's Converse: one dialect for the models of many vendors.

Source: botocore's service model of `bedrock-runtime`. With a key (`AWS_BEARER_TOKEN_BEDROCK`) requests carry it; without
one they are signed with AWS credentials, which is the transport's business since it depends on the time.

Bedrock reserves `maxTokens` of the quota when a request arrives, and the model's maximum where it is not set. So it is
always set: to 4,096 where nothing else is said. Parameters that are none of Converse's own are the model's, and go to
`additionalModelRequestFields`.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from brimline.errors import ConfigError
from brimline.providers.bearer import bearer_headers
from brimline.providers.bedrock_content import turns_of
from brimline.providers.bedrock_replies import BedrockReader, answer, refusal
from brimline.providers.bodies import NO_BODY, bad_reply
from brimline.providers.canonical import Unsayable, conversation, split_system, text_of
from brimline.providers.params import (
    Params,
    chosen_function,
    functions,
    move,
    open_params,
    problem_of,
    take_form,
    take_object,
    take_texts,
)
from brimline.providers.reading import read_object
from brimline.types import Advert, Fault, HttpReply, HttpRequest, Operation, Request, Response, Secret

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

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in frames."""
        sent = self.encode(request, responses)
        return HttpRequest(f"{sent.path}-stream", sent.body, sent.headers)

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return refusal(reply)
        try:
            return answer(reply, read_object(reply.body))
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is none of Converse's: {error}")

    def reader(self, head: HttpReply, request: Request) -> BedrockReader:  # noqa: ARG002
        """Return a reader of frames."""
        return BedrockReader(head)

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
