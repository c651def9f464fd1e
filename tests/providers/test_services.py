"""What each service of OpenAI's dialect says when it refuses, read through its own row. Bodies follow the facts.

One table per service: status, headers, body -> kind, wait in seconds, what ran out. And what its answers advertise.
"""

import pytest

from brimline.config import Config
from brimline.providers import find_provider
from brimline.types import Advert, Fault, Request, Response
from tests.providers.replies import completion, reply

S = 1_000_000_000
MINUTE, DAY = 60 * S, 86_400 * S
HI = ({"role": "user", "content": "Hi"},)
ENVIRONMENT = {
    "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com",
    "HUGGINGFACE_TGI_API_ENDPOINT": "http://localhost:8080",
}


def provider_of(name):
    endpoint = Config(environment=ENVIRONMENT).place(name).endpoint
    return find_provider(endpoint.provider, endpoint.options, endpoint.base_url)


def error(message="no", type_=None, code=None, **more):
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


def says(status, body, kind, *, wait=None, out=None, **headers):
    return status, headers, body, kind, wait, out


RATE = "Rate limit reached for gpt-5-mini in organization org-x on {} Limit 500, Used 500, Requested 1. Please try again in 120ms."

FAULTS = {
    "openai": [
        says(400, error("This model's maximum context length is 128000 tokens.", "invalid_request_error", "context_length_exceeded"), "too_long"),
        says(400, error("Unsupported parameter: 'max_tokens'", "invalid_request_error", "unsupported_parameter"), "invalid_request"),
        says(401, error("Incorrect API key provided: sk-x.", "invalid_request_error", "invalid_api_key"), "auth"),
        says(403, error("Country, region, or territory not supported", "request_forbidden"), "auth"),
        says(404, error("The model `x` does not exist", "invalid_request_error", "model_not_found"), "not_found"),
        says(429, error(RATE.format("requests per min (RPM):"), "requests", "rate_limit_exceeded"), "rate_limited", wait=0.12, out="requests"),
        says(429, error(RATE.format("tokens per min (TPM):"), "tokens", "rate_limit_exceeded"), "rate_limited", wait=2, out="tokens", retry_after="2"),
        says(429, error("Slow down", "rate_limit_error", "slow_down"), "rate_limited"),
        says(429, error("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"), "quota_exhausted"),
        says(500, error("The server had an error", "server_error"), "server_error"),
        says(503, error("Overloaded", "service_unavailable_error", "server_is_overloaded"), "overloaded", wait=3, retry_after="3"),
    ],
    "azure-openai": [
        says(401, error("Access denied due to invalid subscription key or wrong API endpoint.", None, "401"), "auth"),
        says(404, error("The API deployment for this resource does not exist.", None, "DeploymentNotFound"), "not_found"),
        says(404, error("Resource not found", None, "404"), "not_found"),
        says(400, error("The response was filtered due to the prompt triggering the policy.", None, "content_filter", innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True, "severity": "high"}}}), "content_filter"),
        says(400, error("no", None, None, innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter"),
        says(429, error("Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your pricing tier. Please retry after 8 seconds.", None, "429"), "rate_limited", wait=8, out="requests"),
        says(429, error("Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 3 seconds.", None, "429"), "rate_limited", wait=3, out="tokens", retry_after_ms="3000"),
        says(429, error("The system is currently experiencing high demand.", None, "429"), "rate_limited"),
        says(503, error("The service is temporarily unable to process your request."), "overloaded"),
    ],
    "mistral": [
        says(401, {"detail": "Unauthorized"}, "auth"),
        says(402, {"message": "Payment required"}, "quota_exhausted"),
        says(404, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "not_found"),
        says(422, {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, "invalid_request"),
        says(400, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "type": "invalid_request_error", "code": "3051"}, "too_long"),
        says(429, {"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "code": "1300"}, "rate_limited", wait=1, out="requests", retry_after="1"),
        says(500, {"object": "error", "message": "Service unavailable", "type": "internal_server_error", "code": "3000"}, "server_error"),
    ],
    "groq": [
        says(400, error("Failed to generate JSON.", "invalid_request_error", "json_validate_failed", failed_generation="{"), "invalid_request"),
        says(401, error("Invalid API Key", "invalid_request_error", "invalid_api_key"), "auth"),
        says(413, error("Request too large for model", "tokens", "rate_limit_exceeded"), "too_long"),
        says(429, error("Rate limit reached for model x on tokens per minute (TPM): Limit 6000, Used 5900, Requested 200. Please try again in 1m2.5s.", "tokens", "rate_limit_exceeded"), "rate_limited", wait=62.5, out="tokens"),
        says(429, error("Rate limit reached for model x on requests per day (RPD): Limit 1000, Used 1000, Requested 1.", "requests", "rate_limit_exceeded"), "rate_limited", wait=86, out="requests", retry_after="86"),
        says(498, error("Flex tier capacity exceeded", None, "capacity_exceeded"), "overloaded"),
        says(424, error("Failed dependency"), "server_error"),
    ],
    "together": [
        says(401, error("Invalid API key provided.", "invalid_request_error", "invalid_api_key"), "auth"),
        says(402, error("Credit limit exceeded", "credit_limit", None), "quota_exhausted"),
        says(403, error("Bad request", "invalid_request_error"), "too_long"),
        says(422, error("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.", "invalid_request_error"), "too_long"),
        says(429, error("You have been rate limited.", "rate_limit", None), "rate_limited", wait=2, x_ratelimit_reset="2"),
        says(503, error("The server is overloaded", "service_unavailable"), "overloaded"),
    ],
    "fireworks": [
        says(401, error("unauthorized"), "auth"),
        says(402, error("payment required"), "quota_exhausted"),
        says(404, error("Model not found, inaccessible, and/or not deployed"), "not_found"),
        says(408, error("request timeout"), "server_error"),
        says(412, error("Account acme is suspended, possibly due to reaching the monthly spending limit"), "quota_exhausted"),
        says(412, error("LoRA could not be loaded"), "invalid_request"),
        says(413, error("Request body too large"), "too_long"),
        says(429, error("rate limit exceeded"), "rate_limited", wait=1, retry_after="1"),
        says(503, error("overloaded"), "overloaded"),
        says(520, b"<html>", "server_error"),
    ],
    "deepseek": [
        says(400, error("This model's maximum context length is 65536 tokens.", "invalid_request_error", "invalid_request_error"), "too_long"),
        says(401, error("Authentication Fails", "authentication_error", "invalid_request_error"), "auth"),
        says(402, error("Insufficient Balance", "unknown_error", "invalid_request_error"), "quota_exhausted"),
        says(422, error("Invalid parameter", "invalid_request_error"), "invalid_request"),
        says(429, error("Too many concurrent requests", "rate_limit_error"), "rate_limited"),
        says(500, error("Server error"), "server_error"),
        says(503, error("Server overloaded"), "overloaded"),
    ],
    "xai": [
        says(400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***."}, "auth"),
        says(400, {"code": "Client specified an invalid argument", "error": "Invalid temperature"}, "invalid_request"),
        says(401, {"code": "Unauthenticated", "error": "No authorization header"}, "auth"),
        says(403, {"code": "The caller does not have permission", "error": "Your API key is blocked"}, "auth"),
        says(429, {"code": "Some resource has been exhausted", "error": "Too many requests for team x and model grok-4. Requests per Second (actual/limit): 2/1"}, "rate_limited", out="requests"),
        says(429, {"code": "Some resource has been exhausted", "error": "Your team x has either used all available credits or reached its monthly spending limit."}, "quota_exhausted"),
    ],
    "openrouter": [
        says(402, error("Insufficient credits", None, 402, metadata={"limit_source": "openrouter_credits"}), "quota_exhausted"),
        says(402, error("Key limit", None, 402, metadata={"limit_source": "openrouter_key_limit"}), "quota_exhausted"),
        says(402, error("In flight", None, 402, metadata={"limit_source": "openrouter_in_flight_budget"}), "rate_limited", wait=4, retry_after="4"),
        says(402, error("Too much", None, 402, metadata={"reason": "weight_exceeds_budget"}), "too_long"),
        says(403, error("Your chosen model requires moderation and your input was flagged", None, 403, metadata={"reasons": ["x"]}), "content_filter"),
        says(404, error("No endpoints found for x", None, 404), "not_found"),
        says(429, error("Rate limit exceeded: free-models-per-min.", None, 429, metadata={"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1792567685000"}}), "rate_limited", out="requests", date="Wed, 21 Oct 2026 07:28:00 GMT"),
        says(502, error("Provider returned error", None, 502, metadata={"provider_name": "x", "raw": "..."}), "server_error"),
        says(503, error("No instances available", None, 503), "overloaded"),
        says(200, error("Provider disconnected", None, 502), "server_error"),
        says(200, error("Rate limited upstream", None, 429), "rate_limited"),
    ],
    "cerebras": [
        says(401, error("Wrong API Key", "invalid_request_error", "wrong_api_key"), "auth"),
        says(429, {"message": "Tokens per minute limit exceeded - too many tokens processed.", "type": "too_many_tokens_error", "param": "quota", "code": "token_quota_exceeded"}, "rate_limited", wait=1, out="tokens", retry_after="1"),
        says(429, {"message": "We're experiencing high traffic right now!", "type": "too_many_requests_error", "param": "queue", "code": "queue_exceeded"}, "rate_limited"),
    ],
    "huggingface": [
        says(401, {"error": "Invalid credentials in Authorization header"}, "auth"),
        says(402, {"error": "You have exceeded your monthly included credits for Inference Providers."}, "quota_exhausted"),
        says(404, error("The requested model 'x' does not exist", "invalid_request_error", "model_not_found"), "not_found"),
        says(504, b"<html>Gateway Time-out</html>", "server_error"),
    ],
    "huggingface-tgi": [
        says(422, {"error": "Input validation error: `inputs` must have less than 1000 tokens", "error_type": "validation"}, "invalid_request"),
        says(424, {"error": "Request failed during generation", "error_type": "generation"}, "server_error"),
        says(429, {"error": "Model is overloaded", "error_type": "overloaded"}, "rate_limited"),
        says(500, {"error": "Incomplete generation", "error_type": "incomplete_generation"}, "server_error"),
    ],
    "vllm": [
        says(400, error("This model's maximum context length is 4096 tokens.", "BadRequestError", 400), "too_long"),
        says(400, {"object": "error", "message": "temperature must be non-negative", "type": "BadRequestError", "param": None, "code": 400}, "invalid_request"),
        says(401, {"error": "Unauthorized"}, "auth"),
        says(404, error("The model `x` does not exist.", "NotFoundError", 404), "not_found"),
        says(500, error("EngineCore encountered an issue.", "InternalServerError", 500), "server_error"),
    ],
    "sglang": [
        says(400, {"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).", "type": "BadRequestError", "code": 400}, "too_long"),
        says(503, {"object": "error", "message": "The request queue is full.", "type": "ServiceUnavailable", "code": 503}, "overloaded"),
    ],
    "llamacpp": [
        says(400, error("the request exceeds the available context size", "exceed_context_size_error", 400), "too_long"),
        says(401, error("Invalid API Key", "authentication_error", 401), "auth"),
        says(503, error("Loading model", "unavailable_error", 503), "overloaded"),
    ],
    "lmstudio": [
        says(404, error("Model x not found", "invalid_request_error", "model_not_found"), "not_found"),
        says(400, {"error": "The number of tokens to keep from the initial prompt is greater than the context length"}, "too_long"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "headers", "body", "kind", "wait", "out"),
    [(name, *row) for name, rows in FAULTS.items() for row in rows],
)
def test_a_refusal_means_what_this_service_means_by_it(name, status, headers, body, kind, wait, out):
    asked = Request(id=0, model=f"{name}/m", messages=HI)
    fault = provider_of(name).decode(reply(status, body, **headers), asked)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.dimension) == (kind, out)
    assert fault.retry_after == (None if wait is None else round(wait * S))


ADVERTS = [
    (
        "azure-openai",
        {
            "x_ratelimit_limit_requests": "60",
            "x_ratelimit_remaining_requests": "59",
            "x_ratelimit_reset_requests": "8",
            "x_ratelimit_limit_tokens": "-1",
            "x_ratelimit_remaining_tokens": "0",
        },
        (Advert("requests", 60, 59, 8 * S),),
    ),
    (
        "groq",
        {
            "x_ratelimit_limit_requests": "14400",
            "x_ratelimit_remaining_requests": "14370",
            "x_ratelimit_reset_requests": "2m59.56s",
            "x_ratelimit_limit_tokens": "18000",
            "x_ratelimit_remaining_tokens": "17997",
            "x_ratelimit_reset_tokens": "7.66s",
        },
        (
            Advert("requests", 14400, 14370, 179_560_000_000, DAY),
            Advert("tokens", 18000, 17997, 7_660_000_000, MINUTE),
        ),
    ),
    (
        "together",
        {
            "x_ratelimit_limit": "10",
            "x_ratelimit_remaining": "9",
            "x_ratelimit_reset": "1",
            "x_tokenlimit_limit": "3000",
            "x_tokenlimit_remaining": "2900",
        },
        (Advert("requests", 10, 9, S, S), Advert("tokens", 3000, 2900, None, S)),
    ),
    (
        "fireworks",
        {
            "x_ratelimit_limit_tokens_prompt": "60000",
            "x_ratelimit_remaining_tokens_prompt": "59000",
            "x_ratelimit_limit_tokens_generated": "600",
            "x_ratelimit_remaining_tokens_generated": "500",
            "x_ratelimit_over_limit": "no",
        },
        (
            Advert("input_tokens", 60000, 59000, None, S),
            Advert("output_tokens", 600, 500, None, S),
        ),
    ),
    (
        "cerebras",
        {
            "x_ratelimit_limit_requests_day": "14400",
            "x_ratelimit_remaining_requests_day": "14399",
            "x_ratelimit_limit_tokens_minute": "60000",
            "x_ratelimit_remaining_tokens_minute": "59000",
        },
        (Advert("requests", 14400, 14399, None, DAY), Advert("tokens", 60000, 59000, None, MINUTE)),
    ),
    ("deepseek", {}, ()),
    ("openrouter", {}, ()),
    ("vllm", {}, ()),
]


@pytest.mark.parametrize(("name", "headers", "adverts"), ADVERTS)
def test_an_answer_advertises_what_this_service_means_by_its_headers(name, headers, adverts):
    assert provider_of(name).adverts(reply(200, completion("a"), **headers)) == adverts


ANSWERS = [
    ("azure-openai", completion("a", prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}]), {}),
    ("deepseek", b"\n\n\n" + b'{"choices":[{"message":{"content":"a","reasoning_content":"hm"}}]}', {"reasoning": "hm"}),
    ("xai", completion({"content": "a", "reasoning_content": "hm"}), {"reasoning": "hm"}),
    ("openrouter", completion({"content": "a", "reasoning": "hm"}, provider="x", usage={"cost": 0.1}), {"reasoning": "hm"}),
    ("groq", completion({"content": "a", "reasoning": "hm"}, x_groq={"id": "req_1"}), {"reasoning": "hm"}),
    ("mistral", completion("a", reason="model_length"), {"finish_reason": "length"}),
    ("together", completion("a", reason="eos"), {"finish_reason": "stop"}),
    ("huggingface-tgi", completion("a", reason="eos_token"), {"finish_reason": "stop"}),
    ("vllm", completion({"content": "a", "reasoning": "hm", "tool_calls": []}, prompt_logprobs=None), {"reasoning": "hm"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "more"), ANSWERS)
def test_an_answer_of_this_service_is_read(name, body, more):
    answer = provider_of(name).decode(reply(200, body), Request(id=0, model=f"{name}/m", messages=HI))
    assert isinstance(answer, Response)
    assert answer.text == "a"
    assert {member: getattr(answer, member) for member in more} == more


def test_an_outage_of_azures_filter_costs_no_answer():
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "a"},
        "finish_reason": "stop",
        "content_filter_results": {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}},
    }  # fmt: skip
    answer = provider_of("azure-openai").decode(
        reply(200, {"choices": [choice]}), Request(id=0, model="azure-openai/m", messages=HI)
    )
    assert answer.text == "a"
