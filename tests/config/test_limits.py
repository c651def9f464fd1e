"""Declared limits: which rules speak of a model, and what they add up to."""

import pytest

from brimline.config.limits import LimitRule, limits_for
from brimline.core.quota import parse_quotas


def rule(pattern, rate="", *, rank=0, source=None, **more):
    quotas = parse_quotas(rate) if rate else ()
    return LimitRule(pattern=pattern, quotas=quotas, rank=rank, source=source or pattern, **more)


def quotas(model, *rules):
    return [str(quota) for quota in limits_for(model, rules).quotas]


def test_without_a_rule_nothing_is_declared_and_the_model_is_its_own_scope():
    limits = limits_for("lab/x", [rule("lab/y", "5/s", concurrency=1, scope="s")])
    assert (limits.quotas, limits.concurrency, limits.scope) == ((), None, "lab/x")
    assert limits.sources == {"concurrency": "learned"}


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("lab/x", "lab/x", True),
        ("lab/x", "lab/x2", False),
        ("lab/*", "lab/meta/llama:free", True),
        ("*", "lab/x", True),
        ("*/x", "lab/x", True),
        ("lab/gpt-?", "lab/gpt-5", True),
        ("LAB/x", "lab/x", False),
        ("lab", "lab/x", False),
    ],
)
def test_a_pattern_is_a_reference_with_stars(pattern, model, matches):
    assert rule(pattern).matches(model) is matches


def test_for_each_kind_of_quota_the_nearest_rule_counts():
    rules = [rule("lab/x", "5/min"), rule("*", "1/min, 1/s, 1k tokens/min"), rule("lab/*", "3/min, 3/s")]
    assert sorted(quotas("lab/x", *rules)) == ["1k tokens/min", "3/s", "5/min"]
    assert sorted(quotas("lab/y", *rules)) == ["1k tokens/min", "3/min", "3/s"]
    assert limits_for("lab/x", rules).sources["3/s"] == "lab/*"


def test_among_equals_the_later_counts():
    assert quotas("lab/x", rule("lab/*", "1/min"), rule("*/x*", "2/min"), rule("lab/?", "3/min")) == ["3/min"]
    assert quotas("lab/x", rule("lab/?", "1/min"), rule("l*b/x", "2/min")) == ["2/min"]
    assert quotas("lab/x", rule("lab/x", "1/min"), rule("lab/x", "2/min")) == ["2/min"]


def test_a_higher_rank_replaces_what_lower_ones_say_of_the_same_thing():
    """A flag for requests leaves the tokens of a file alone."""
    rules = [
        rule("lab/x", "5/min, 5/h, 5 tokens/min"),
        rule("*", "9/min", rank=1),
        rule("lab/*", "8/s", rank=1),
    ]
    assert sorted(quotas("lab/x", *rules)) == ["5 tokens/min", "8/s", "9/min"]
    sources = limits_for("lab/x", rules).sources
    assert sources == {"concurrency": "learned", "9/min": "*", "8/s": "lab/*", "5 tokens/min": "lab/x"}


def test_a_rule_that_declares_no_rate_leaves_the_rates_as_they_are():
    rules = [rule("lab/x", "5/min"), rule("*", rank=1, concurrency=3), rule("lab/*", scope="team")]
    limits = limits_for("lab/x", rules)
    assert ([str(quota) for quota in limits.quotas], limits.concurrency, limits.scope) == (
        ["5/min"],
        3,
        "team",
    )
    assert limits.sources == {"concurrency": "*", "5/min": "lab/x"}


def test_models_that_share_a_scope_name_it():
    rules = [rule("lab/*", scope="team"), rule("lab/y", scope="own")]
    assert [limits_for(f"lab/{name}", rules).scope for name in "xyz"] == ["team", "own", "team"]
