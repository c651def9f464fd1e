"""What headers say about limits: every provider's form, as it writes it, and nonsense in its place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from brimline.providers.adverts import read_adverts
from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Advert
from tests.providers.replies import reply

MS = 1_000_000
S = 1000 * MS
MINUTE, HOUR, DAY = 60 * S, 3600 * S, 86_400 * S
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
EPOCH = 1792567680

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "8ms",
}
OTHERS = {
    "date": DATE,
    "content-type": "application/json",
    "content-length": "812",
    "x-request-id": "req_1",
    "openai-version": "2020-10-01",
    "openai-organization": "acme",
    "openai-processing-ms": "400",
    "server": "cloudflare",
    "cf-ray": "1-LHR",
    "alt-svc": 'h3=":443"; ma=86400',
    "strict-transport-security": "max-age=31536000",
    "connection": "keep-alive",
}


def limits(**values):
    """OpenAI's headers: `requests=(limit, remaining, reset)`, as text; None leaves one out."""
    return {
        f"x-ratelimit-{member}-{what.replace('_', '-')}": value
        for what, three in values.items()
        for member, value in zip(("limit", "remaining", "reset"), three, strict=True)
        if value is not None
    }


@pytest.mark.parametrize(
    ("headers", "adverts"),
    [
        pytest.param(OPENAI, [
            Advert("requests", 5000, 4999, 12 * MS), Advert("tokens", 160_000, 159_976, 8 * MS),
        ], id="OpenAI"),
        pytest.param(limits(requests=("60", "59", "1s"), tokens=("150000", "149984", "6m0s")), [
            Advert("requests", 60, 59, S), Advert("tokens", 150_000, 149_984, 360 * S),
        ], id="OpenAI, as documented"),
        pytest.param(limits(tokens=("30,000", "29,900", "1m0.5s")), [
            Advert("tokens", 30_000, 29_900, 60_500 * MS),
        ], id="thousands separators"),
        pytest.param(
            limits(tokens=("2000000", "1999000", "30ms"), project_tokens=("100000", "99000", "600ms")),
            [Advert("tokens", 100_000, 99_000, 600 * MS)], id="OpenAI, a project that binds first"),
        pytest.param(
            limits(tokens=("2000000", "50000", "58s"), project_tokens=("100000", "99000", "600ms")),
            [Advert("tokens", 2_000_000, 50_000, 58 * S)], id="OpenAI, an organisation that binds first"),
        pytest.param(
            limits(requests=("14400", "14370", "2m59.56s"), tokens=("18000", "17997", "7.66s")) | {"x-groq-region": "fra"},
            [Advert("requests", 14_400, 14_370, 179_560 * MS, DAY), Advert("tokens", 18_000, 17_997, 7660 * MS, MINUTE)],
            id="Groq: the day's requests, the minute's tokens"),
        pytest.param(limits(requests=("14400", "14370", "2m59.56s")), [
            Advert("requests", 14_400, 14_370, 179_560 * MS),
        ], id="Groq behind something that drops its region"),
        pytest.param(
            limits(requests=("300", "299", "1"), tokens=("50000", "49900", "12"))
            | {"x-ratelimit-renewalperiod-requests": "10", "x-ratelimit-renewalperiod-tokens": "60"},
            [Advert("requests", 300, 299, S, 10 * S), Advert("tokens", 50_000, 49_900, 12 * S, MINUTE)], id="Azure"),
        pytest.param(limits(requests=("300", "299", "0"), tokens=("-1", "0", "0")), [
            Advert("requests", 300, 299, None),
        ], id="Azure's numbers that mean nothing"),
        pytest.param(limits(requests=("0", "0", "0"), tokens=("-1", "-1", "-1")), [], id="Azure, only such"),
        pytest.param(limits(requests=(None, "119", None), tokens=(None, "119600", None)), [
            Advert("requests", None, 119), Advert("tokens", None, 119_600),
        ], id="Azure, older: what is left alone"),
        pytest.param({
            "date": DATE,
            "anthropic-ratelimit-requests-limit": "1000",
            "anthropic-ratelimit-requests-remaining": "999",
            "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z",
            "anthropic-ratelimit-input-tokens-limit": "2000000",
            "anthropic-ratelimit-input-tokens-remaining": "1998000",
            "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:00.060Z",
            "anthropic-ratelimit-output-tokens-limit": "400000",
            "anthropic-ratelimit-output-tokens-remaining": "200000",
            "anthropic-ratelimit-output-tokens-reset": "2026-10-21T07:28:30+00:00",
            "anthropic-ratelimit-tokens-limit": "2400000",
            "anthropic-ratelimit-tokens-remaining": "2198000",
            "anthropic-ratelimit-tokens-reset": "2026-10-21T07:28:30Z",
            "anthropic-priority-input-tokens-limit": "10000",
            "anthropic-priority-input-tokens-remaining": "0",
            "anthropic-priority-input-tokens-reset": "2026-10-21T07:28:59Z",
        }, [
            Advert("requests", 1000, 999, S, MINUTE),
            Advert("input_tokens", 2_000_000, 1_998_000, 60 * MS, MINUTE),
            Advert("output_tokens", 400_000, 200_000, 30 * S, MINUTE),
        ], id="Anthropic: the sum is none, and priority is no limit beside the standard tier"),
        pytest.param({
            "anthropic-ratelimit-tokens-limit": "80000",
            "anthropic-ratelimit-tokens-remaining": "79000",
            "anthropic-ratelimit-tokens-reset": "2026-10-21T07:28:30Z",
        }, [Advert("tokens", 80_000, 79_000, None, MINUTE)], id="Anthropic without a date: no reset"),
        pytest.param({
            "anthropic-priority-output-tokens-limit": "10000",
            "anthropic-priority-output-tokens-remaining": "6000",
            "anthropic-fast-input-tokens-limit": "50000",
            "anthropic-ratelimit-unified-status": "allowed",
            "anthropic-ratelimit-unified-5h-reset": "1792567710",
        }, [
            Advert("output_tokens", 10_000, 6000, None, MINUTE), Advert("input_tokens", 50_000, None, None, MINUTE),
        ], id="Anthropic's other tiers alone"),
        pytest.param(
            {"date": DATE, "X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{EPOCH + 42}000"},
            [Advert("requests", 20, 0, 42 * S)], id="OpenRouter: epoch in ms"),
        pytest.param(
            {"date": DATE, "X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": f"{EPOCH + 1}.5"},
            [Advert("requests", 2, 1, 1500 * MS)], id="slowapi: epoch in s"),
        pytest.param({
            "x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1",
            "x-tokenlimit-limit": "3000", "x-tokenlimit-remaining": "2500",
        }, [Advert("requests", 10, 9, S, S), Advert("tokens", 3000, 2500, None, S)], id="Together: by the second"),
        pytest.param({
            "x-ratelimit-limit-tokens-prompt": "60000", "x-ratelimit-remaining-tokens-prompt": "59000",
            "x-ratelimit-limit-tokens-cache-adjusted-prompt": "15000",
            "x-ratelimit-remaining-tokens-cache-adjusted-prompt": "14900",
            "x-ratelimit-limit-tokens-generated": "600", "x-ratelimit-remaining-tokens-generated": "0",
            "x-ratelimit-over-limit": "yes",
        }, [Advert("input_tokens", 15_000, 14_900, None, S), Advert("output_tokens", 600, 0, None, S)],
            id="Fireworks: by the second"),
        pytest.param({
            "x-ratelimit-limit-requests-day": "14400", "x-ratelimit-remaining-requests-day": "14000",
            "x-ratelimit-reset-requests-day": "33011.382867",
            "x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-remaining-tokens-minute": "58000",
            "x-ratelimit-reset-tokens-minute": "11.25",
            "x-ratelimit-limit-tokens-day": "1000000", "x-ratelimit-remaining-tokens-day": "oops",
        }, [
            Advert("requests", 14_400, 14_000, 33_011_382_867_000, DAY),
            Advert("tokens", 60_000, 58_000, 11_250 * MS, MINUTE),
            Advert("tokens", 1_000_000, None, None, DAY),
        ], id="Cerebras: the window is in the name"),
        pytest.param({
            "x-ratelimit-limit-req-minute": "50", "x-ratelimit-remaining-req-minute": "49",
            "x-ratelimit-limit-tokens-5-minute": "500000", "x-ratelimit-remaining-tokens-5-minute": "499000",
            "x-ratelimit-limit-tokens-month": "1000000000", "x-ratelimit-tokens-query-cost": "1300",
        }, [Advert("requests", 50, 49, None, MINUTE), Advert("tokens", 500_000, 499_000, None, 5 * MINUTE)], id="Mistral"),
        pytest.param({"x-ratelimit-limit-req-minute": "0"}, [], id="Mistral, not in the plan"),
        pytest.param({"X-RateLimit-Limit-Minute": "60", "X-RateLimit-Remaining-Minute": "59"}, [
            Advert("requests", 60, 59, None, MINUTE),
        ], id="Kong"),
        pytest.param({"x-ratelimit-limit": '10, 10;w=1;name="a", 1000;w=3600', "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1"}, [
            Advert("requests", 10, 9, S, S),
        ], id="Envoy: a list of policies"),
        pytest.param(
            {"ratelimit-limit": "100,100;w=60", "ratelimit-remaining": "50", "ratelimit-reset": "30"},
            [Advert("requests", 100, 50, 30 * S, MINUTE)], id="IETF, three headers and a list"),
        pytest.param(
            {"RateLimit-Limit": "20", "RateLimit-Remaining": "16", "RateLimit-Reset": "900", "RateLimit-Policy": "20;w=900"},
            [Advert("requests", 20, 16, 900 * S, 900 * S)], id="IETF, three headers and a policy"),
        pytest.param({"RateLimit": "limit=60, remaining=59, reset=5", "RateLimit-Policy": "60;w=60"}, [
            Advert("requests", 60, 59, 5 * S, MINUTE),
        ], id="IETF, one header"),
        pytest.param({
            "RateLimit": '"burst";r=50;t=30, "daily";r=900;t=7200, "bytes";r=1;t=1',
            "RateLimit-Policy": '"burst";q=100;w=60,"daily";q=1000;w=86400,"bytes";q=10;qu="content-bytes"',
        }, [
            Advert("requests", 100, 50, 30 * S, MINUTE), Advert("requests", 1000, 900, 7200 * S, DAY),
        ], id="IETF, structured"),
        pytest.param({
            "RateLimit": '"a";r=50;t=30, "b";r=6;t=1, "c";r=-1, "d";r=0',
            "RateLimit-Policy": '"a";q=100;qu="tokens";w=60, "b";q=5;w=1, "c";q=0;w=1',
        }, [Advert("tokens", 100, 50, 30 * S, MINUTE)], id="IETF, tokens, and items that make no sense"),
        pytest.param({"RateLimit": '"default";r=50;t=30'}, [Advert("requests", None, 50, 30 * S)], id="IETF without a policy"),
        pytest.param({"RateLimit-Policy": "60;w=60"}, [], id="a policy alone"),
        pytest.param({"x-ratelimit-reset": "5"}, [Advert("requests", None, None, 5 * S)], id="a reset alone"),
        pytest.param(OTHERS, [], id="nothing"),
        pytest.param({}, [], id="no headers"),
    ],
)  # fmt: skip
def test_a_form(headers, adverts):
    lower = {name.lower(): value for name, value in headers.items()}
    assert read_adverts(lower) == tuple(adverts)
    assert read_adverts({**OTHERS, "date": headers.get("date", ""), **lower}) == tuple(adverts)
    assert read_adverts(CIMultiDictProxy(CIMultiDict(headers))) == tuple(adverts), "as the transport has them"


@pytest.mark.parametrize(
    ("three", "advert"),
    [
        (("60", "-1", "1s"), Advert("requests", 60, None, S)),
        (("60", "nan", "1s"), Advert("requests", 60, None, S)),
        (("60", "", "soon"), Advert("requests", 60)),
        (("60", "59", "-5s"), Advert("requests", 60, 59)),
        (("60", "59", "400d"), Advert("requests", 60, 59)),
        (("60", "59.75", "1s"), Advert("requests", 60, 59, S)),
        ((" 60 ", " 59 ", " 1s"), Advert("requests", 60, 59, S)),
        (("60", "75", "1s"), Advert("requests", 60, 60, S)),
        (("60", "121", "1s"), None),
        (("9223372036854775807", "9223372036854775806", "0s"), None),
        (("unlimited", "59", "1s"), None),
        (("1e9", "59", "1s"), None),
        (("0x10", "1", "1s"), None),
        (("1_000", "1", "1s"), None),
        (("\u0661\u0662", "1", "1s"), None),
        ((None, "-1", "never"), None),
        ((None, "0", "0"), None),
        (("", "", ""), None),
    ],
)
def test_what_makes_no_sense_says_nothing(three, advert):
    """A member, or all of it; never an error."""
    assert read_adverts(limits(requests=three)) == (() if advert is None else (advert,))


def test_what_limits_something_else_is_left_alone():
    """Images, audio, long contexts: brimline has no such limits, and they are not the ones it has."""
    assert read_adverts(limits(images=("5", "4", "1s"), audio_tokens=("5", "4", "1s"))) == ()


def test_the_same_names_with_other_values():
    """Names are read once; values are not."""
    first, second = (read_adverts({**OPENAI, "x-ratelimit-remaining-requests": left}) for left in ("7", "6"))
    assert (first[0].remaining, second[0].remaining) == (7, 6)


@pytest.mark.parametrize("status", [200, 429, 500])
def test_every_reply_of_the_dialect_says_it(status):
    headers = {name.replace("-", "_"): value for name, value in OPENAI.items()}
    assert len(OpenAIChat().adverts(reply(status, b"", **headers))) == 2


names = st.sampled_from([
    *OPENAI, "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-renewalperiod-tokens",
    "x-ratelimit-limit-project-tokens", "x-ratelimit-remaining-project-tokens", "x-ratelimit-limit-tokens-0-day",
    "x-ratelimit-limit-tokens-generated", "x-tokenlimit-limit", "x-tokenlimit-remaining", "x-groq-region", "date",
    "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-reset", "ratelimit", "ratelimit-policy",
    "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "anthropic-priority-input-tokens-limit",
]) | st.text() | st.from_regex(r"x-ratelimit-(limit|remaining|reset)-[a-z0-9-]*")  # fmt: skip
values = (
    st.text()
    | st.integers().map(str)
    | st.floats().map(str)
    | st.datetimes(timezones=st.just(None) | st.timezones()).map(lambda moment: moment.isoformat())
    | st.from_regex(r'("?\w*"?;?(q|r|t|w|limit|remaining|reset)=-?\d*[,;]? ?)+')
    | st.from_regex(r"[-+]?\d*\.?\d*(e\d+)?(ns|ms|s|m|h|d)?")
)


@given(st.dictionaries(names, values, max_size=12))
@example({
    "anthropic-ratelimit-requests-reset": "0001-01-01T00:00:00+23:59",
    "date": "Mon, 1 Jan 0001 00:00:00 -2359",
})
@example({"ratelimit": '"', "ratelimit-policy": ";;;,=,"})
@example({"ratelimit": '"a";r=5;t=999999999999', "ratelimit-policy": '"a";q=100;w=60'})
@example({"x-ratelimit-limit-requests": "9" * 5000, "x-ratelimit-reset-requests": "9" * 5000 + "s"})
def test_no_headers_break_it_and_every_number_is_a_sensible_one(headers):
    for advert in read_adverts(headers):
        assert advert.dimension in {"requests", "tokens", "input_tokens", "output_tokens"}
        assert advert.limit is None or 0 < advert.limit < 10**12
        assert advert.remaining is None or 0 <= advert.remaining <= (advert.limit or 10**12)
        assert advert.reset is None or 0 < advert.reset <= 366 * DAY
        assert advert.window is None or advert.window > 0
        assert (advert.limit, advert.remaining, advert.reset) != (None, None, None)
