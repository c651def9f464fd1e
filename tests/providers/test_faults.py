"""What servers of OpenAI's dialect say when they refuse: status, headers and body to one fault."""

import json

import pytest

from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Fault, FaultKind, Request
from tests.providers.replies import completion, reply

S = 1_000_000_000
REQUEST = Request(id=0, model="lab/x", messages=({"role": "user", "content": "Hi"},))
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


def decode(status, body=b"", **headers):
    fault = OpenAIChat().decode(reply(status, body, **headers), REQUEST)
    assert isinstance(fault, Fault)
    assert fault.http_status == status
    return fault


def openai(message="no", type_="", code=None, **more):
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
GOOGLE = "You exceeded your current quota, please check your plan.\n* Quota exceeded for metric: m\nPlease retry in 37.2s."


def google(quota, status=429, message=GOOGLE):
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"},
    ]
    return [
        {"error": {"code": status, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}
    ]


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        # facts/providers.md §1.5: OpenAI itself
        (400, openai("This model's maximum context length is 4096 tokens.", "invalid_request_error", "context_length_exceeded"), "too_long", "context_length_exceeded"),
        (400, openai("Invalid value", "invalid_request_error", "invalid_value"), "invalid_request", "invalid_value"),
        (400, openai("Your request was rejected by our safety system.", "invalid_request_error", "content_policy_violation"), "content_filter", "content_policy_violation"),
        (401, openai("Incorrect API key provided: sk-1.", "invalid_request_error", "invalid_api_key"), "auth", "invalid_api_key"),
        (403, openai("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), "auth", "unsupported_country_region_territory"),
        (404, openai("The model `gpt-9` does not exist", "invalid_request_error", "model_not_found"), "not_found", "model_not_found"),
        (409, openai("Conflict"), "server_error", None),
        (422, openai("Unprocessable"), "invalid_request", None),
        (429, openai("Rate limit reached", "requests", "rate_limit_exceeded"), "rate_limited", "rate_limit_exceeded"),
        (429, openai("Rate limit reached", "tokens", "rate_limit_exceeded"), "rate_limited", "rate_limit_exceeded"),
        (429, openai("Slow down", "rate_limit_error", "slow_down"), "rate_limited", "slow_down"),
        (429, openai("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.", "tokens", "rate_limit_exceeded"), "too_long", "rate_limit_exceeded"),
        (429, openai(QUOTA, "insufficient_quota", "insufficient_quota"), "quota_exhausted", "insufficient_quota"),
        (429, openai("no", "insufficient_quota"), "quota_exhausted", "insufficient_quota"),
        *((429, openai("no", "x", code), "quota_exhausted", code) for code in (
            "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached")),
        (429, openai(QUOTA), "quota_exhausted", None),
        (403, openai("no", "insufficient_quota"), "quota_exhausted", "insufficient_quota"),
        (500, openai("The server had an error", "server_error"), "server_error", "server_error"),
        (503, openai("Overloaded", "service_unavailable_error", "server_is_overloaded"), "overloaded", "server_is_overloaded"),
        # §2: Azure
        (429, openai("Requests have exceeded call rate limit. Please retry after 8 seconds.", None, "429"), "rate_limited", "429"),
        (400, openai("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", None, "content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter", "content_filter"),
        # §3.3: Anthropic's compatible endpoint
        (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "no", "details": {"error_code": "enforced_spend_limit_reached"}}}, "quota_exhausted", "rate_limit_error"),
        (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "no", "details": {"error_code": "ramp_limit_exceeded"}}}, "rate_limited", "rate_limit_error"),
        (400, openai("Your credit balance is too low to access the Anthropic API.", "invalid_request_error"), "quota_exhausted", "invalid_request_error"),
        (400, openai("You have reached your specified API usage limits.", "invalid_request_error"), "quota_exhausted", "invalid_request_error"),
        (413, openai("Request exceeds the maximum size", "request_too_large"), "too_long", "request_too_large"),
        (529, openai("Overloaded", "overloaded_error"), "overloaded", "overloaded_error"),
        # §4.2-4.4: Gemini's compatible endpoint wraps its errors in a list
        (429, google("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), "rate_limited", "RESOURCE_EXHAUSTED"),
        (429, google("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "quota_exhausted", "RESOURCE_EXHAUSTED"),
        (402, google("x", 402, "Your prepayment credits are depleted."), "quota_exhausted", "RESOURCE_EXHAUSTED"),
        (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}], "auth", "INVALID_ARGUMENT"),
        (400, [{"error": {"code": 400, "message": "Bad field", "status": "INVALID_ARGUMENT"}}], "invalid_request", "INVALID_ARGUMENT"),
        (499, [{"error": {"code": 499, "message": "Cancelled", "status": "CANCELLED"}}], "invalid_request", "CANCELLED"),
        (504, [{"error": {"code": 504, "message": "Deadline", "status": "DEADLINE_EXCEEDED"}}], "server_error", "DEADLINE_EXCEEDED"),
        # §5.1: Mistral
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, "invalid_request", None),
        (429, {"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "code": "1300"}, "rate_limited", "rate_limited"),
        (402, {"message": "Payment required"}, "quota_exhausted", None),
        # §5.2: Groq
        (413, openai("Request too large for model", "tokens", "rate_limit_exceeded"), "too_long", "rate_limit_exceeded"),
        (400, openai("Failed to generate JSON.", "invalid_request_error", "json_validate_failed"), "invalid_request", "json_validate_failed"),
        (400, openai("Please reduce the length of the messages or completion.", "invalid_request_error"), "too_long", "invalid_request_error"),
        (424, openai("Failed dependency"), "server_error", None),
        (498, openai("Flex tier capacity exceeded", "", "capacity_exceeded"), "overloaded", "capacity_exceeded"),
        (499, openai("Client closed"), "invalid_request", None),
        # §5.3-5.5: DeepSeek, Together, Fireworks
        (402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), "quota_exhausted", "invalid_request_error"),
        (403, openai("The input plus max_tokens exceeds the context length of the model"), "too_long", None),
        (422, openai("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193."), "too_long", None),
        (408, b"", "server_error", None),
        (412, openai("Account acme is suspended, possibly due to reaching the monthly spending limit"), "quota_exhausted", None),
        (412, openai("LoRA could not be loaded"), "invalid_request", None),
        (520, b"", "server_error", None),
        # §5.6: xAI
        (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***."}, "auth", "Client specified an invalid argument"),
        (429, {"code": "x", "error": "Your team has used all available credits or reached its monthly spending limit."}, "quota_exhausted", "x"),
        # §5.7: OpenRouter
        (402, openai("Insufficient credits", None, 402, metadata={"limit_source": "openrouter_credits"}), "quota_exhausted", "402"),
        (402, openai("In flight", None, 402, metadata={"limit_source": "openrouter_in_flight_budget"}), "rate_limited", "402"),
        (402, openai("Too much", None, 402, metadata={"reason": "weight_exceeds_budget"}), "too_long", "402"),
        (403, openai("Your input was flagged: the model requires moderation", None, 403, metadata={"reasons": ["x"]}), "content_filter", "403"),
        (502, openai("Provider returned error", None, 502), "server_error", "502"),
        # §5.10: Hugging Face's TGI
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "rate_limited", "overloaded"),
        (424, {"error": "Request failed during generation", "error_type": "generation"}, "server_error", "generation"),
        (422, {"error": "Input validation error", "error_type": "validation"}, "invalid_request", "validation"),
        (402, {"error": "You have exceeded your monthly included credits"}, "quota_exhausted", None),
        # §5.11: Ollama
        (404, {"error": "model 'llama9' not found"}, "not_found", None),
        (503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "overloaded", None),
        # §5.12: vLLM, llama.cpp
        (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "type": "BadRequestError", "param": None, "code": 400}, "too_long", "BadRequestError"),
        (404, openai("The model `x` does not exist.", "NotFoundError", 404), "not_found", "NotFoundError"),
        (400, openai("the request exceeds the available context size", "exceed_context_size_error", 400), "too_long", "exceed_context_size_error"),
        # what stands in between
        (301, b"", "not_found", None),
        (400, b"", "invalid_request", None),
        (400, openai("no", ["a"], {"a": 1}), "invalid_request", None),
        (400, openai("no", None, 0), "invalid_request", None),
        (402, b"", "quota_exhausted", None),
        (403, b"<html>Forbidden</html>", "auth", None),
        (405, b"", "not_found", None),
        (407, b"", "auth", None),
        (410, openai("Model is deprecated"), "not_found", None),
        (418, b"", "invalid_request", None),
        (425, b"", "overloaded", None),
        (500, b"\xff\xfe", "server_error", None),
        (502, b"<html>Bad Gateway</html>", "server_error", None),
        *((status, b"", "server_error", None) for status in (504, 520, 521, 522, 523, 524, 599)),
    ],
)  # fmt: skip
def test_a_refusal_is_one_fault(status, body, kind, code):
    fault = decode(status, body)
    assert (fault.kind, fault.provider_code) == (kind, code)


INNER = {
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "slow_down": "rate_limited",
    "billing_hard_limit_reached": "quota_exhausted",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "context_length_exceeded": "too_long",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "invalid_request_error": "invalid_request",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (openai("Provider disconnected", None, 502), "server_error"),
        (openai("Rate limited upstream", None, 429), "rate_limited"),
        (openai("Flagged by moderation", None, 403), "content_filter"),
        (openai("Bad key", None, 401), "auth"),
        (openai("no", None, "503"), "overloaded"),
        (openai("no", "insufficient_quota"), "quota_exhausted"),
        (openai("no", "invalid_request_error"), "invalid_request"),
        *((openai("no", None, code), kind) for code, kind in INNER.items()),
        *(
            (openai("no", code), kind)
            for code, kind in INNER.items()
            if "content" not in code and "context" not in code
        ),
        (openai("no", None, "of its own"), "server_error"),
        (openai("no", None, 200), "server_error"),
        (openai("no", None, 9999), "server_error"),
        (openai("no", None, "9" * 5000), "server_error"),
        ({"error": "it broke"}, "server_error"),
        ({"error": ["it broke"]}, "server_error"),
        (completion("half an answ", error={"code": 502, "message": "it broke"}), "server_error"),
    ],
)
def test_an_error_inside_a_200_means_what_its_code_says(body, kind):
    assert decode(200, body).kind == kind


@pytest.mark.parametrize(
    ("body", "headers", "dimension", "wait"),
    [
        (openai("no", "requests"), {"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "9s"}, "requests", S),
        (openai("no", "tokens"), {"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "6m0s"}, "tokens", 360 * S),
        (openai("no", "tokens"), {"x_ratelimit_reset_tokens": "8"}, "tokens", 8 * S),
        (openai("no", "tokens"), {"x_ratelimit_reset_tokens": "9s", "retry_after": "2"}, "tokens", 2 * S),
        (openai("Please try again in 599ms", "tokens"), {"x_ratelimit_reset_tokens": "9s"}, "tokens", 599_000_000),
        (openai("no", "rate_limit_error"), {"x_ratelimit_reset_requests": "1s"}, None, None),
        (openai("no", None, 429), {"x_ratelimit_reset": "1792567710000", "date": DATE}, None, 30 * S),
        (google("PerMinute", message="Quota exceeded."), {}, None, 37 * S),
        (google("PerMinute"), {}, None, 37_200_000_000),
        ([{"error": {"details": [{"retryDelay": 5}, {"retryDelay": None}, 7, {"violations": {"quotaId": "PerDay"}}]}}], {}, None, None),
        (openai("no"), {}, None, None),
    ],
)  # fmt: skip
def test_a_rate_limit_says_what_ran_out_and_when_there_is_more(body, headers, dimension, wait):
    fault = decode(429, body, **headers)
    assert (fault.kind, fault.dimension, fault.retry_after) == ("rate_limited", dimension, wait)


ANTHROPIC = (
    "This request would exceed the rate limit for your organization (0b5e7a1c) of {}. For details, refer to: "
    "https://docs.claude.com/en/api/rate-limits. Please reduce the prompt length or the maximum tokens requested, or try "
    "again later."
)
OPENAI = "Rate limit reached for gpt-4o in organization org-1 on {}: Limit 30000, Used 29000, Requested 2000."


@pytest.mark.parametrize(
    ("body", "dimension"),
    [
        (openai(OPENAI.format("requests per min (RPM)"), "requests", "rate_limit_exceeded"), "requests"),
        (openai(OPENAI.format("tokens per min (TPM)"), "tokens", "rate_limit_exceeded"), "tokens"),
        (openai(OPENAI.format("requests per day (RPD)"), "requests", "rate_limit_exceeded"), "requests"),
        (openai(OPENAI.format("tokens per day (TPD)"), "rate_limit_error"), "tokens"),
        (openai(ANTHROPIC.format("50 requests per minute"), "rate_limit_error"), "requests"),
        (openai(ANTHROPIC.format("30,000 input tokens per minute"), "rate_limit_error"), "input_tokens"),
        (openai(ANTHROPIC.format("8,000 output tokens per minute"), "rate_limit_error"), "output_tokens"),
        (openai("Number of request tokens has exceeded your per-minute rate limit", "rate_limit_error"), "tokens"),
        (openai("Number of requests has exceeded your per-minute rate limit", "rate_limit_error"), "requests"),
        (openai("Number of concurrent connections has exceeded your rate limit", "rate_limit_error"), None),
        (openai("Requests to the Operation have exceeded call rate limit of your S0 tier. Please retry after 8 seconds.", None, "429"), "requests"),
        (openai("Requests to the Operation have exceeded token rate limit of your S0 tier.", None, "429"), "tokens"),
        (openai("The system is currently experiencing high demand.", None, "429"), None),
        (openai("Tokens per minute limit exceeded - too many tokens processed.", "too_many_tokens_error", "token_quota_exceeded"), "tokens"),
        (openai("Too many", "too_many_requests_error", "request_quota_exceeded"), "requests"),
        (openai("Too many", "x", "dynamic_token_limited"), "tokens"),
        ({"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "code": "1300"}, "requests"),
        ({"message": "You are using a Trial key, which is limited to 20 API calls / minute."}, "requests"),
        ({"code": "x", "error": "Requests per Second (actual/limit): 5/5, Tokens per Minute (actual/limit): 4/400"}, None),
        (openai("no", "input_tokens"), "input_tokens"),
        (openai("no", "x", "output_tokens"), "output_tokens"),
        (google("GenerateContentInputTokensPerModelPerMinute-FreeTier"), "input_tokens"),
        (google("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), "requests"),
        (google("TokensPerMinutePerProject"), "tokens"),
    ],
)  # fmt: skip
def test_a_rate_limit_names_what_ran_out(body, dimension):
    """In words, by a quota's id, as a code or as a type; where it names several, none."""
    assert decode(429, body).dimension == dimension


FULL = {"x_ratelimit_limit_tokens_generated": "600", "x_ratelimit_remaining_tokens_prompt": "59000"}


@pytest.mark.parametrize(
    ("body", "headers", "dimension", "wait"),
    [
        (openai("rate limit exceeded, please try again later"), FULL | {"x_ratelimit_remaining_tokens_generated": "0"}, "output_tokens", None),
        (openai("rate limit exceeded"), {"anthropic_ratelimit_requests_remaining": "0", "anthropic_ratelimit_requests_limit": "50",
            "anthropic_ratelimit_requests_reset": "2026-10-21T07:28:12Z", "date": DATE}, "requests", None),
        (openai("rate limit exceeded"), {"x_ratelimit_limit_requests_day": "100", "x_ratelimit_remaining_requests_day": "0", "x_ratelimit_reset_requests_day": "3600",
            "x_ratelimit_limit_requests_minute": "10", "x_ratelimit_remaining_requests_minute": "9", "x_ratelimit_reset_requests_minute": "6"}, "requests", None),
        (openai("no", "requests"), {"x_ratelimit_remaining_requests_day": "0", "x_ratelimit_reset_requests_day": "3600",
            "x_ratelimit_remaining_requests_minute": "0", "x_ratelimit_reset_requests_minute": "6"}, "requests", 3600 * S),
        (openai("no"), {"x_ratelimit_limit_requests": "9", "x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1s",
            "x_ratelimit_limit_tokens": "9", "x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "2s"}, None, None),
        (openai("no", "requests"), {"x_ratelimit_limit_requests": "600", "x_ratelimit_remaining_requests": "500", "x_ratelimit_reset_requests": "10s"}, "requests", None),
        (openai("no", "tokens"), {"x_ratelimit_limit_tokens": "600", "x_ratelimit_remaining_tokens": "200", "x_ratelimit_reset_tokens": "40s"}, "tokens", None),
        (openai("no"), {"x_ratelimit_limit": "600", "x_ratelimit_remaining": "500", "x_ratelimit_reset": "10"}, None, None),
        (openai("no"), {"x_ratelimit_limit": "2", "x_ratelimit_remaining": "0", "x_ratelimit_reset": "1792567681", "date": DATE}, "requests", None),
        (openai("no", "requests"), {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "7s"}, "requests", 7 * S),
        (openai("Rate limit exceeded: free-models-per-min. ", None, 429, metadata={"headers": {
            "X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1792567710000"}}), {"date": DATE}, "requests", None),
        (openai("no", None, 429, metadata={"headers": {"X-RateLimit-Limit": 20, "X-RateLimit-Reset": None}}), {}, None, None),
        (openai("no", None, 429, metadata={"headers": ["X"]}), {}, None, None),
    ],
)  # fmt: skip
def test_headers_say_what_ran_out_where_the_error_does_not(body, headers, dimension, wait):
    """Their reset is a wait only where the limit cannot be followed: it is the time to a whole bucket."""
    fault = decode(429, body, **headers)
    assert (fault.kind, fault.dimension, fault.retry_after) == ("rate_limited", dimension, wait)


@pytest.mark.parametrize(
    ("status", "verdict", "body", "headers", "kind"),
    [
        (400, "true", openai("Upstream hiccup"), {}, "server_error"),
        (400, "false", openai("Upstream hiccup"), {}, "invalid_request"),
        (400, "true", openai("Incorrect API key provided", None, "invalid_api_key"), {}, "auth"),
        (401, "true", openai("no"), {}, "auth"),
        (429, "false", openai("no"), {}, "quota_exhausted"),
        (429, "false", openai("no"), {"retry_after": "30"}, "rate_limited"),
        (429, "false", openai("Please try again in 3s"), {}, "rate_limited"),
        (429, "true", openai("no"), {}, "rate_limited"),
        (429, "true", openai(QUOTA, "insufficient_quota"), {}, "quota_exhausted"),
        (500, "false", openai("no"), {}, "server_error"),
        (529, "true", openai("no"), {}, "overloaded"),
        (429, "perhaps", openai("no"), {}, "rate_limited"),
    ],
)
def test_the_servers_own_verdict_counts_where_the_status_does_not_decide(
    status, verdict, body, headers, kind
):
    assert decode(status, body, x_should_retry=verdict, **headers).kind == kind


def test_a_named_wait_means_that_googles_quota_comes_back():
    """Its words are those of an empty account."""
    retry = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]
    fault = decode(
        429, {"error": {"code": 429, "message": QUOTA, "status": "RESOURCE_EXHAUSTED", "details": retry}}
    )
    assert (fault.kind, fault.retry_after) == ("rate_limited", 37 * S)


def test_a_trial_of_so_many_calls_a_month_is_used_up():
    body = {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}
    assert decode(429, body).kind == "quota_exhausted"


def test_a_wait_counts_for_every_kind_but_a_buckets_reset_only_for_rate_limits():
    assert decode(503, openai("no"), retry_after="3").retry_after == 3 * S
    assert (
        decode(
            402, openai("no", metadata={"limit_source": "openrouter_in_flight_budget"}), retry_after="3"
        ).retry_after
        == 3 * S
    )
    assert decode(500, openai("no", "requests"), x_ratelimit_reset_requests="1s").retry_after is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (400, openai("Bad thing"), {}, "Bad thing"),
        (400, {"message": "Bad thing", "error": None}, {}, "Bad thing"),
        (422, {"detail": [{"msg": "x"}]}, {}, '[{"msg":"x"}]'),
        (404, {"error": "no such model"}, {}, "no such model"),
        (500, {"error": {}}, {}, 'HTTP 500: {"error": {}}'),
        (500, b"", {}, "HTTP 500"),
        (
            502,
            b"<html>\r\n<head><title>502 Bad\nGateway</title></head><body>nginx</body>",
            {},
            "HTTP 502: 502 Bad Gateway",
        ),
        (502, b"<html>" + b"x" * 500, {}, f"HTTP 502: <html>{'x' * 194}"),
        (500, "é".encode("latin-1"), {}, "HTTP 500: \ufffd"),
        (
            301,
            b"moved",
            {"location": "https://host/v1"},
            "HTTP 301: the base URL redirects to https://host/v1",
        ),
        (301, b"", {"location": "https://h\udcff"}, "HTTP 301: the base URL redirects to https://h\ufffd"),
    ],
)
def test_the_detail_is_what_the_server_says_or_else_what_came(status, body, headers, words):
    fault = decode(status, body, **headers)
    assert fault.detail == words
    fault.detail.encode()


def test_kinds_are_frozen_words():
    assert {kind.value for kind in FaultKind} == {
        "rate_limited", "overloaded", "server_error", "connection", "timeout", "bad_reply", "internal",
        "invalid_request", "too_long", "content_filter", "cancelled", "auth", "quota_exhausted", "not_found",
        "truncated", "invalid_output",
    }  # fmt: skip


def test_a_body_nested_too_deep_is_a_body_without_words():
    deep = b'{"error":' * 50_000
    assert decode(500, deep).kind == "server_error"
    assert json.dumps(decode(500, deep).detail)
