"""Bedrock's Converse: what is sent, and what every kind of reply means."""

import json
import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.errors import ConfigError
from brimline.providers import StreamingProvider, find_provider
from brimline.providers.bedrock import MAX_TOKENS, Bedrock
from brimline.types import Fault, HttpReply, Operation, Request, Response, Secret, Usage
from tests.providers.anything import (
    HEAD,
    STATUSES,
    bodies,
    check,
    check_cuts,
    check_depths,
    check_wrong_requests,
    read_whole,
)
from tests.providers.replies import reply

PROVIDER = Bedrock()
HI = ({"role": "user", "content": "Hi"},)
PDF = "data:application/pdf;base64,JVBERg=="
NAMES = (
    "output", "message", "content", "text", "toolUse", "toolUseId", "name", "input", "reasoningContent", "reasoningText",
    "citationsContent", "stopReason", "usage", "inputTokens", "cacheReadInputTokens", "trace", "promptRouter", "__type",
    "invokedModelId", "Message", "content_filtered",
)  # fmt: skip
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
TOOLS = [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {"name": "g"}}]
SPECS = [
    {"toolSpec": {"name": "f", "description": "d", "strict": True, "inputSchema": {"json": SCHEMA}}},
    {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
]
CONVERSE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2")).operation_model(
    "Converse"
)


def request(**more):
    return Request(**{"id": 0, "model": "bedrock/anthropic.claude-v1:0", "messages": HI, **more})


def sent(responses=(), **more):
    """Return what is sent, seen to be what AWS's own model of the service knows."""
    assert PROVIDER.problem(request(**more)) is None
    body = json.loads(PROVIDER.encode(request(**more), responses).body)
    given = {"modelId": "m", **body}
    problems = ParamValidator().validate(given, CONVERSE.input_shape)
    assert not problems.has_errors(), problems.generate_report()
    return body


def decode(body, status=200, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request())


# What is sent.


def test_a_prompt_names_its_model_in_the_path_and_always_a_most_of_tokens():
    encoded = PROVIDER.encode(request(), ())
    assert encoded.path == "/model/anthropic.claude-v1%3A0/converse"
    body = {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS},
    }
    assert sent() == body
    profile = request(model="bedrock/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x")
    assert "inference-profile%2Feu.x/converse" in PROVIDER.encode(profile, ()).path
    assert isinstance(PROVIDER, StreamingProvider)
    streamed = PROVIDER.encode_stream(request(), ())
    assert (streamed.path, streamed.body) == (f"{encoded.path}-stream", encoded.body)


def test_a_key_is_a_bearers_and_without_one_it_is_known_what_to_sign_for():
    assert PROVIDER.headers(Secret("k"))["Authorization"] == "Bearer k"
    assert "Authorization" not in PROVIDER.headers(None)
    base_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert find_provider("bedrock", {}, base_url).signature() == ("bedrock", "eu-west-1")
    assert find_provider("bedrock", {"region": "us-west-2"}, "http://127.0.0.1:1").signature() == (
        "bedrock",
        "us-west-2",
    )
    with pytest.raises(ConfigError, match="needs a region"):
        find_provider("bedrock", {}, "http://127.0.0.1:1").signature()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"max_tokens": 9, "temperature": 0, "top_p": 0.5, "stop": "x"}, {"inferenceConfig": {"maxTokens": 9, "temperature": 0, "topP": 0.5, "stopSequences": ["x"]}}),
        ({"max_completion_tokens": 9}, {"inferenceConfig": {"maxTokens": 9}}),
        ({"maxTokens": 7, "inferenceConfig": {"temperature": 1}}, {"inferenceConfig": {"maxTokens": 7, "temperature": 1}}),
        ({"top_k": 5, "thinking": {"type": "enabled"}}, {"additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "enabled"}}}),
        ({"top_k": 5, "additionalModelRequestFields": {"top_k": 6, "a": 1}}, {"additionalModelRequestFields": {"top_k": 6, "a": 1}}),
        ({"reasoning_effort": "high"}, {"outputConfig": {"effort": "high"}}),
        ({"reasoning_effort": "none"}, {}),
        ({"service_tier": "flex", "requestMetadata": {"a": "b"}}, {"serviceTier": {"type": "flex"}, "requestMetadata": {"a": "b"}}),
        ({"tools": TOOLS}, {"toolConfig": {"tools": SPECS}}),
        ({"tools": TOOLS, "tool_choice": "auto"}, {"toolConfig": {"tools": SPECS}}),
        ({"tools": TOOLS, "tool_choice": "required"}, {"toolConfig": {"tools": SPECS, "toolChoice": {"any": {}}}}),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}}, {"toolConfig": {"tools": SPECS, "toolChoice": {"tool": {"name": "f"}}}}),
        ({"tools": TOOLS, "tool_choice": "none"}, {}),
        ({"toolConfig": {"tools": SPECS}}, {"toolConfig": {"tools": SPECS}}),
        ({"n": 1, "stream": False, "logprobs": False, "presence_penalty": 0, "seed": None}, {}),
    ],
)  # fmt: skip
def test_parameters_have_their_places(params, said):
    body = sent(params=params)
    del body["messages"]
    assert body == {"inferenceConfig": {"maxTokens": MAX_TOKENS}, **said}


def test_a_schema_is_a_text_format():
    form = sent(schema=SCHEMA)["outputConfig"]["textFormat"]
    described = form["structure"]["jsonSchema"]
    assert (form["type"], described["name"], json.loads(described["schema"])) == (
        "json_schema",
        "answer",
        SCHEMA,
    )
    given = {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}
    assert sent(params=given)["outputConfig"]["textFormat"] == form


def part(**part):
    return {"messages": ({"role": "user", "content": [part]},)}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": {"n": 2}}, "parameter 'n'"),
        ({"params": {"seed": 0}}, "parameter 'seed'"),
        ({"params": {"logprobs": True}}, "parameter 'logprobs'"),
        ({"params": {"frequency_penalty": 1}}, "parameter 'frequency_penalty'"),
        ({"params": {"stream": True}}, "parameter 'stream'"),
        ({"params": {"inferenceConfig": 1}}, "parameter 'inferenceConfig'"),
        ({"params": {"tools": 1}}, "parameter 'tools'"),
        ({"params": {"tools": TOOLS, "tool_choice": "any"}}, "parameter 'tool_choice'"),
        ({"params": {"response_format": {"type": "json_object"}}}, "parameter 'response_format'"),
        ({"operation": Operation.EMBEDDING}, "there is no embedding"),
        (part(type="image_url", image_url={"url": "https://x/y.png"}), "an image by URL"),
        (part(type="image_url", image_url={"url": "data:image/tiff;base64,AA=="}), "neither PNG"),
        (part(type="file", file={"file_id": "f"}), "file"),
        (part(type="file", file={"file_data": "data:a/b;base64,AA==", "filename": "x.exe"}), "'x.exe' is no document"),
        (part(type="video_url"), "type 'video_url'"),
        ({"messages": ({"role": "user", "content": ""},)}, "a message is empty"),
        ({"messages": (*HI, {"role": "tool", "content": "x"})}, "no tool_call_id"),
    ],
)  # fmt: skip
def test_what_bedrock_has_no_words_for_is_said_before_anything_is_sent(more, named):
    assert named in PROVIDER.problem(request(**more))
    with pytest.raises(ValueError, match=named):
        PROVIDER.encode(request(**more), ())


def test_messages_are_turns_that_alternate():
    def call(number):
        return {
            "id": f"c{number}",
            "type": "function",
            "function": {"name": "f", "arguments": f'{{"a": {number}}}'},
        }

    parts = [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}},
        {"type": "image_url", "image_url": {"url": "s3://bucket/a.webp"}},
        {"type": "file", "file": {"file_data": PDF, "filename": "my_file (1).pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"cachePoint": {"type": "default"}},
    ]
    body = sent(
        messages=(
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "Wait.", "tool_calls": [call(1), call(2)]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "sun"}]},
            {"role": "user", "content": "And?"},
        ),
        params={"tools": TOOLS},
    )
    assert body["system"] == [{"text": "Be brief."}]
    assert body["messages"] == [
        {"role": "user", "content": [
            {"text": "What?"},
            {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}},
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
            {"document": {"format": "pdf", "name": "my file (1)", "source": {"bytes": "JVBERg=="}}},
            {"audio": {"format": "wav", "source": {"bytes": "AA=="}}},
            {"cachePoint": {"type": "default"}},
        ]},
        {"role": "assistant", "content": [
            {"text": "Wait."},
            {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "c2", "name": "f", "input": {"a": 2}}},
        ]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}},
            {"toolResult": {"toolUseId": "c2", "content": [{"text": "sun"}]}},
            {"text": "And?"},
        ]},
    ]  # fmt: skip
    asked = {"role": "assistant", "tool_calls": [call(1)]}
    refused = request(messages=(*HI, asked), params={"tools": TOOLS, "tool_choice": "none"})
    assert "parameter 'tool_choice'" in PROVIDER.problem(refused)


def test_a_later_turn_is_sent_with_the_whole_history():
    said = sent((Response(text="a!"),), follow_ups=("b?", "c?"))["messages"]
    assert [(m["role"], m["content"][0]["text"]) for m in said] == [
        ("user", "Hi"),
        ("assistant", "a!"),
        ("user", "b?"),
    ]


def test_an_answer_without_a_text_is_left_out_of_the_history():
    said = sent((Response(text=""),), follow_ups=("b?",))["messages"]
    assert [(m["role"], [block["text"] for block in m["content"]]) for m in said] == [("user", ["Hi", "b?"])]


def test_a_local_file_that_is_not_put_in_yet_is_no_problem():
    assert PROVIDER.problem(request(**part(type="image_url", image_url={"url": "media:00ff"}))) is None


def test_whatever_users_write_is_sent_or_is_a_problem():
    check_wrong_requests(
        PROVIDER,
        request,
        ("inferenceConfig", "toolConfig", "outputConfig", "additionalModelRequestFields", "service_tier"),
    )


# What comes back.


def converse(*content, reason="end_turn", **more):
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": reason,
        "usage": {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658},
        "metrics": {"latencyMs": 1275},
        **more,
    }


def test_an_answer_with_all_that_belongs_to_it():
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x"}}}
    cited = {"citationsContent": {"content": [{"text": " you"}], "citations": []}}
    usage = {"inputTokens": 30, "outputTokens": 628, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 2}
    trace = {"promptRouter": {"invokedModelId": "arn:x"}}
    body = converse(thought, {"text": "Hello"}, cited, usage=usage, trace=trace)
    assert decode(body, x_amzn_RequestId="r1") == Response(
        text="Hello you",
        finish_reason="stop",
        usage=Usage(37, 628, 5, 2),
        model="arn:x",
        request_id="r1",
        reasoning="hm",
        raw=json.dumps(body).encode(),
    )


def test_tool_calls_are_in_the_canonical_form():
    use = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
    answer = decode(converse({"text": "Wait."}, use, reason="tool_use"))
    assert (answer.text, answer.finish_reason) == ("Wait.", "tool_calls")
    assert answer.tool_calls == (
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    )


@pytest.mark.parametrize(
    ("reason", "canonical"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "malformed_tool_use"),
        (None, None),
        (7, None),
    ],
)
def test_a_reason_to_stop_is_canonical_and_never_costs_a_text(reason, canonical):
    answer = decode(converse({"text": "a"}, reason=reason))
    assert (answer.text, answer.finish_reason) == ("a", canonical)


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], 7, {"inputTokens": -1}, {"inputTokens": "x"}, {"outputTokens": 1.5}, {"inputTokens": 1, "cacheReadInputTokens": -1}],
)  # fmt: skip
def test_usage_that_makes_no_sense_never_costs_the_answer(usage):
    answer = decode(converse({"text": "a"}, usage=usage))
    assert (answer.text, answer.usage) == ("a", None)


@pytest.mark.parametrize(
    ("status", "name", "words", "kind"),
    [
        (400, "ValidationException", "Malformed input request", "invalid_request"),
        (400, "ValidationException", "Input is too long for requested model.", "too_long"),
        (400, "ValidationException", "The provided model identifier is invalid.", "not_found"),
        (400, "ValidationException", "Invocation of model ID x with on-demand throughput isn't supported.", "not_found"),
        (400, "ServiceQuotaExceededException", "Your request exceeds the service quota", "quota_exhausted"),
        (400, "IncompleteSignatureException", "no", "auth"),
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", "not_found"),
        (403, "AccessDeniedException", "User is not authorized to perform bedrock:InvokeModel", "auth"),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "auth"),
        (403, "InvalidSignatureException", "The request signature we calculated does not match", "auth"),
        (404, "ResourceNotFoundException", "no", "not_found"),
        (408, "ModelTimeoutException", "no", "server_error"),
        (424, "ModelErrorException", "no", "server_error"),
        (424, "ModelStreamErrorException", "no", "server_error"),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limited"),
        (429, "ThrottlingException", "Too many tokens, please wait before trying again.", "rate_limited"),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "quota_exhausted"),
        (429, "ModelNotReadyException", "no", "overloaded"),
        (500, "InternalServerException", "no", "server_error"),
        (503, "ServiceUnavailableException", "no", "overloaded"),
    ],
)  # fmt: skip
def test_every_exception_is_its_fault(status, name, words, kind):
    by_header = decode(
        {"message": words}, status, x_amzn_errortype=f"{name}:http://internal.amazon.com/coral/"
    )
    by_body = decode({"__type": f"com.amazon.coral.service#{name}", "Message": words}, status)
    for fault in (by_header, by_body):
        assert isinstance(fault, Fault)
        assert (fault.kind, fault.http_status, fault.detail, fault.provider_code) == (
            kind,
            status,
            words,
            name,
        )


def test_throttling_names_what_ran_out():
    for what in ("requests", "tokens"):
        words = {"message": f"Too many {what}, please wait before trying again."}
        assert decode(words, 429, x_amzn_errortype="ThrottlingException").dimension == what


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, converse(reason="guardrail_intervened"), "content_filter"),
        (200, converse(reason="content_filtered"), "content_filter"),
        (200, converse(reason="malformed_model_output"), "server_error"),
        (200, {"stopReason": "end_turn"}, "bad_reply"),
        (200, {"output": {}}, "bad_reply"),
        (200, [], "bad_reply"),
        (200, b"", "bad_reply"),
        (200, b"<html>", "bad_reply"),
        (403, b"<html>", "auth"),
        (429, b"", "rate_limited"),
        (502, b"<html>", "server_error"),
        (503, {"message": None}, "overloaded"),
    ],
)
def test_what_is_no_answer_is_its_fault(status, body, kind):
    fault = decode(body, status)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (kind, status)


def test_bedrock_says_nothing_about_its_limits():
    assert PROVIDER.adverts(reply(200, {})) == ()


@given(STATUSES, bodies(*NAMES))
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body):
    check(PROVIDER.decode(HttpReply(status, CIMultiDict(), body), request()), status)


def test_no_depth_breaks_it():
    check_depths(decode)


# Streams.


def frame(name, document, kind="event", more=b""):
    """A frame as AWS builds it."""
    payload = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    headers = more
    for key, value in (
        (f":{kind}-type", name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ):
        headers += bytes([len(key)]) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def delta(index, **delta):
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcdef"})


FRAMES = [
    frame("messageStart", {"role": "assistant"}),
    delta(0, reasoningContent={"text": "h"}),
    delta(0, reasoningContent={"text": "m"}),
    delta(0, reasoningContent={"signature": "x"}),
    frame("contentBlockStop", {"contentBlockIndex": 0}),
    delta(1, text="Grüß"),
    delta(1, text=" \n😀"),
    frame("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}}),
    delta(2, toolUse={"input": '{"a"'}),
    delta(2, toolUse={"input": ":1}"}),
    frame("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t2", "name": "g"}}}),
    frame("messageStop", {"stopReason": "tool_use"}),
    frame("metadata", {"usage": {"inputTokens": 30, "outputTokens": 6, "cacheReadInputTokens": 4}, "metrics": {}}),
]  # fmt: skip
STREAM = b"".join(FRAMES)


def reader():
    return PROVIDER.reader(HEAD, request())


def test_the_frames_of_these_tests_are_those_of_aws():
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    assert [event.headers[":event-type"] for event in buffer][:2] == ["messageStart", "contentBlockDelta"]


def test_a_stream_is_read_the_same_wherever_it_is_cut():
    text, thoughts, answer = check_cuts(reader, STREAM)
    assert (text, thoughts) == ("Grüß \n😀", "hm")
    assert (answer.text, answer.reasoning, answer.finish_reason) == (text, thoughts, "tool_calls")
    assert (answer.usage, answer.raw) == (Usage(34, 6, 4), STREAM)
    assert [(call["id"], call["function"]) for call in answer.tool_calls] == [
        ("t1", {"name": "f", "arguments": '{"a":1}'}),
        ("t2", {"name": "g", "arguments": "{}"}),
    ]


@pytest.mark.parametrize("count", range(len(FRAMES)))
def test_without_its_last_frame_it_is_no_answer(count):
    assert read_whole(reader(), *FRAMES[:count])[2].kind == "bad_reply"
    assert read_whole(reader(), *FRAMES[:count], FRAMES[count][:-1])[2].kind == "bad_reply"


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("throttlingException", "Too many requests, please wait before trying again.", "rate_limited"),
        ("validationException", "Input is too long for requested model.", "too_long"),
        ("modelStreamErrorException", "no", "server_error"),
        ("internalServerException", "no", "server_error"),
        ("serviceUnavailableException", "no", "overloaded"),
    ],
)
def test_an_exception_in_a_stream_is_its_fault(name, words, kind):
    fault = read_whole(reader(), *FRAMES[:5], frame(name, {"message": words}, "exception"))[2]
    assert (fault.kind, fault.detail, fault.http_status) == (kind, words, 200)
    assert fault.provider_code == name[0].upper() + name[1:]


def test_damage_anywhere_is_noticed():
    stream = FRAMES[0] + FRAMES[5] + b"".join(FRAMES[-2:])
    for place in range(len(stream)):
        bad = stream[:place] + bytes([stream[place] ^ 0x40]) + stream[place + 1 :]
        assert read_whole(reader(), bad)[2].kind == "bad_reply", place


def test_headers_of_every_type_are_passed_over():
    more = b"".join(
        b"\x01x" + bytes([kind]) + value
        for kind, value in (
            (0, b""), (1, b""), (2, b"1"), (3, b"12"), (4, b"1234"), (5, b"12345678"),
            (6, b"\x00\x02ab"), (8, b"12345678"), (9, b"1234567812345678"),
        )
    )  # fmt: skip
    frames = [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}, more=more),
        *FRAMES[-2:],
    ]
    assert read_whole(reader(), *frames)[2].text == "a"
    unknown = frame("metadata", {}, more=b"\x01x\x0a")
    assert read_whole(reader(), *FRAMES[:-1], unknown)[2].kind == "bad_reply"


@given(st.lists(st.tuples(st.sampled_from(["contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "xException"]), bodies(*NAMES, "delta", "start")), max_size=5))  # fmt: skip
def test_reading_never_raises(pieces):
    reading = reader()
    for name, body in pieces:
        reading.feed(frame(name, body))
    check(reading.result())


@given(st.binary(max_size=60))
def test_reading_what_is_no_frame_never_raises(data):
    check(read_whole(reader(), data)[2])
