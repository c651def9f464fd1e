"""The official google-genai SDK takes the simulator for Gemini, and for Vertex AI."""

import io

import httpx2
import pytest
from google import genai
from google.auth.credentials import Credentials
from google.genai import errors, types
from tests.sim.sdk.said import CALLED, JPEG, KEY, MOOD, SCHEMA, Mood, fault

pytestmark = pytest.mark.real_time
Config = types.GenerateContentConfig
TRAVEL = types.FunctionDeclaration(name="travel", parameters_json_schema=SCHEMA)
ANY = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))


def connect(root, timeout=5_000, **more):
    options = types.HttpOptions(base_url=root, timeout=timeout)
    return genai.Client(**({"api_key": KEY, "http_options": options} | more))


@pytest.fixture(scope="module")
def client(root):
    with connect(root) as client:
        yield client


def ask(client, contents="hello", model="m", **config):
    return client.models.generate_content(model=model, contents=contents, config=Config(**config))


def stream(client, contents="hello", **config):
    return client.models.generate_content_stream(model="m", contents=contents, config=Config(**config))


def test_an_answer(client):
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=100)
    reply = ask(client, system_instruction="be brief", thinking_config=thinking)
    thought, said = reply.candidates[0].content.parts
    assert (thought.thought, thought.text, said.text) == (True, "thinking about: hello", "echo: hello")
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP
    usage = reply.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (4, 3, 6)
    assert (usage.total_token_count, reply.model_version) == (13, "m")
    hidden = ask(client, thinking_config=types.ThinkingConfig(thinking_budget=100))
    assert (hidden.text, hidden.usage_metadata.thoughts_token_count) == ("echo: hello", 6)


def test_there_are_no_headers_about_limits(client):
    headers = ask(client).sdk_http_response.headers
    assert not [name for name in headers if "ratelimit" in name.lower() or "request-id" in name.lower()]


def test_how_an_answer_ends(client):
    def end(reply):
        return reply.text, reply.candidates[0].finish_reason.name

    assert end(ask(client, max_output_tokens=2)) == ("echo: he", "MAX_TOKENS")
    thinking = types.ThinkingConfig(thinking_budget=100)
    assert end(ask(client, max_output_tokens=3, thinking_config=thinking)) == (None, "MAX_TOKENS")
    assert end(ask(client, fault("filter200"))) == (None, "SAFETY")
    assert end(ask(client, fault("null_content"))) == (None, "STOP")
    assert end(ask(client, fault("empty"))) == ("", "STOP")
    assert len(ask(client, candidate_count=2).candidates) == 2


def test_a_blocked_prompt_is_a_200_without_candidates(client):
    reply = ask(client, fault("content_filter"))
    assert (reply.candidates, reply.prompt_feedback.block_reason.name) == (None, "PROHIBITED_CONTENT")
    [only] = stream(client, fault("content_filter"))
    assert (only.candidates, only.prompt_feedback.block_reason.name) == (None, "PROHIBITED_CONTENT")


@pytest.mark.parametrize(
    "declared",
    [
        TRAVEL,
        types.FunctionDeclaration(
            name="travel",
            parameters=types.Schema(
                type="OBJECT",
                properties={
                    "city": types.Schema(type="STRING"),
                    "days": types.Schema(type="INTEGER", minimum=2),
                },
            ),
        ),
    ],
)
def test_a_function_is_called_and_answered(client, declared):
    reply = ask(client, tools=[types.Tool(function_declarations=[declared])], tool_config=ANY)
    [call] = reply.function_calls
    assert (call.name, call.args, reply.candidates[0].finish_reason.name) == ("travel", CALLED, "STOP")
    result = types.Part.from_function_response(name="travel", response={"done": True})
    turns = ["hello", reply.candidates[0].content, types.Content(role="user", parts=[result])]
    assert ask(client, turns).text == "echo: hello"


def test_an_answer_with_a_form(client):
    json = "application/json"
    assert ask(client, response_mime_type=json, response_schema=Mood).parsed == MOOD
    assert ask(client, response_mime_type=json, response_json_schema=SCHEMA).parsed == CALLED
    cut = ask(client, response_mime_type=json, response_schema=Mood, max_output_tokens=2)
    assert cut.parsed is None
    with pytest.raises(errors.ClientError, match="only supported with response mime type"):
        ask(client, response_schema=Mood)


def test_what_comes_with_a_prompt(client):
    inline = types.Part.from_bytes(data=JPEG, mime_type="image/png")
    web = types.Part.from_uri(file_uri="https://example.com/a.mp4", mime_type="video/mp4")
    sound = types.Part.from_bytes(data=b"ID3" + bytes(7), mime_type="audio/mp3")
    assert ask(client, ["look", inline, web, sound]).text == (
        "echo: look [image/jpeg 24 bytes, sent as image/png] [video/mp4 https://example.com/a.mp4] "
        "[audio/mpeg 10 bytes, sent as audio/mp3]"
    )


def test_a_stream(client):
    chunks = [*stream(client, "hello to you")]
    assert "".join(chunk.text for chunk in chunks) == "echo: hello to you"
    assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * 4
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.candidates_token_count == 5
    called = [*stream(client, tools=[types.Tool(function_declarations=[TRAVEL])], tool_config=ANY)]
    assert called[0].function_calls[0].args == CALLED


def test_without_alt_a_stream_is_an_array_and_keys_may_stand_in_the_url(root):
    url = f"{root}/v1beta/models/m:streamGenerateContent?key={KEY}"
    body = {"contents": [{"parts": [{"text": "hello"}]}], "generation_config": {"max_output_tokens": 50}}
    with httpx2.Client() as http:
        fragments = http.post(url, json=body).json()
        wrong = http.post(url, json=body | {"max_tokens": 5}).json()
    texts = [fragment["candidates"][0]["content"]["parts"][0]["text"] for fragment in fragments]
    assert "".join(texts) == "echo: hello"
    assert 'Unknown name "max_tokens": Cannot find field.' in wrong["error"]["message"]


ERRORS = {
    "400": (errors.ClientError, 400, "INVALID_ARGUMENT"),
    "auth": (errors.ClientError, 403, "PERMISSION_DENIED"),
    "not_found": (errors.ClientError, 404, "NOT_FOUND"),
    "429": (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    "quota": (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    "500": (errors.ServerError, 500, "INTERNAL"),
    "html502": (errors.ServerError, 502, "Bad Gateway"),
    "503": (errors.ServerError, 503, "UNAVAILABLE"),
    "529": (errors.ServerError, 503, "UNAVAILABLE"),
}


@pytest.mark.parametrize(("kind", "expected"), ERRORS.items())
def test_each_error_is_the_sdks_own(client, kind, expected):
    error, code, status = expected
    with pytest.raises(error) as caught:
        ask(client, fault(kind))
    assert (caught.value.code, caught.value.status) == (code, status)
    with pytest.raises(error):
        [*stream(client, fault(kind))]
    with pytest.raises(error):
        client.models.embed_content(model="m", contents=fault(kind))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx2.ReadError),
        ("truncate", httpx2.RemoteProtocolError),
        ("malformed", ValueError),
    ],
)
def test_each_broken_reply_is_the_sdks_own_error(client, kind, error):
    with pytest.raises(error):
        ask(client, fault(kind))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx2.ReadError),
        ("malformed", errors.UnknownApiResponseError),
        ("stream_error", errors.ServerError),
    ],
)
def test_each_broken_stream_is_the_sdks_own_error(client, kind, error):
    seen = []
    with pytest.raises(error) as caught:
        seen.extend(chunk.text for chunk in stream(client, fault(kind)))
    if kind == "stream_error":
        assert caught.value.code == 503
        assert "".join(seen).startswith("echo: please")


def test_silence_is_the_sdks_own_error(root):
    with connect(root, timeout=300) as hurried:
        with pytest.raises(httpx2.ReadTimeout):
            ask(hurried, fault("stall"))
        with pytest.raises(httpx2.ReadTimeout):
            [*stream(hurried, fault("idle"))]


def test_a_stream_that_is_cut_has_all_its_text_and_no_end(client):
    chunks = [*stream(client, fault("cut"))]
    assert "".join(chunk.text for chunk in chunks) == f"echo: {fault('cut')}"
    assert {chunk.candidates[0].finish_reason for chunk in chunks} == {None}


def test_a_limit_says_in_the_body_what_it_is_and_how_long_it_lasts(client):
    ask(client, model="limited")
    with pytest.raises(errors.ClientError) as caught:
        ask(client, model="limited")
    failure, retry = caught.value.details["error"]["details"]
    assert failure["violations"][0]["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
    assert 0 < float(retry["retryDelay"].removesuffix("s")) <= 1
    with pytest.raises(errors.ClientError) as caught:
        ask(client, fault("quota"))
    [failure] = caught.value.details["error"]["details"]
    assert "PerDay" in failure["violations"][0]["quotaId"]


def test_a_wrong_key_a_wrong_model_a_long_prompt(client, root):
    with connect(root, api_key="sk-bad") as stranger:
        with pytest.raises(errors.ClientError) as caught:
            ask(stranger)
        with pytest.raises(errors.ClientError, match="API key not valid"):
            stranger.files.get(name="files/x")
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    with pytest.raises(errors.ClientError, match="models/gpt is not found"):
        ask(client, model="gpt")
    with pytest.raises(errors.ClientError, match=r"\(6\) exceeds the maximum number of tokens allowed \(5\)"):
        ask(client, "abcd" * 6, model="small")


def test_embeddings(client):
    both = client.models.embed_content(model="m", contents=["a", "b"]).embeddings
    [one] = client.models.embed_content(model="m", contents="b").embeddings
    assert both[1].values == one.values != both[0].values
    assert sum(x * x for x in one.values) == pytest.approx(1)
    config = types.EmbedContentConfig(output_dimensionality=10)
    [short] = client.models.embed_content(model="m", contents="a", config=config).embeddings
    assert len(short.values) == 10


def test_files_are_uploaded_used_and_removed(client):
    config = types.UploadFileConfig(mime_type="image/png", display_name="a cat")
    file = client.files.upload(file=io.BytesIO(JPEG), config=config)
    assert (file.display_name, file.mime_type, file.size_bytes, file.state.name) == (
        "a cat",
        "image/png",
        24,
        "ACTIVE",
    )
    assert ask(client, ["look", file]).text == "echo: look [image/jpeg 24 bytes, sent as image/png]"
    assert client.files.get(name=file.name) == file
    assert file.name in [each.name for each in client.files.list()]
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as caught:
        client.files.get(name=file.name)
    assert caught.value.code == 403
    with pytest.raises(errors.ClientError, match="may not exist"):
        ask(client, ["look", file])


def test_a_file_in_one_request(root):
    def part(kind, data):
        return b"--edge\r\ncontent-type: " + kind + b"\r\n\r\n" + data + b"\r\n"

    data = JPEG + b"\r\n\r\n--edg"
    body = (
        part(b"application/json", b'{"file": {"displayName": "cat"}}')
        + part(b"image/jpeg", data)
        + b"--edge--\r\n"
    )
    headers = {"x-goog-api-key": KEY, "content-type": "multipart/related; boundary=edge"}
    with httpx2.Client(headers=headers) as http:
        file = http.post(f"{root}/upload/v1beta/files?uploadType=multipart", content=body).json()["file"]
    assert (file["displayName"], file["mimeType"], file["sizeBytes"]) == ("cat", "image/jpeg", str(len(data)))
    assert file["uri"] == f"{root}/v1beta/{file['name']}"


class Ambient(Credentials):
    def refresh(self, request):
        self.token = KEY


def test_vertex(root):
    with connect(
        root, api_key=None, vertexai=True, project="p", location="l", credentials=Ambient()
    ) as client:
        assert ask(client).text == "echo: hello"
        assert len(client.models.embed_content(model="text-embedding-m", contents=["a", "b"]).embeddings) == 2
        with pytest.raises(errors.ClientError) as caught:
            ask(client, fault("auth"))
        assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_the_models(client):
    assert "models/m" in [model.name for model in client.models.list()]
