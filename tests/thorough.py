"""How many examples a property is tried with: a quarter by default, all of them with `--hypothesis-profile=thorough`."""

from hypothesis import HealthCheck, settings

DEFAULT = "quick"
_ALL = 100
_BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # other tests run beside it
settings.register_profile("thorough", max_examples=_ALL, **_BUSY)
settings.register_profile(DEFAULT, max_examples=_ALL // 4, **_BUSY)


def share() -> float:
    """Which share of its examples a property is tried with in this profile."""
    return settings.get_profile(settings.get_current_profile_name()).max_examples / _ALL


def examples(number, **options) -> settings:
    """Settings of a property that deserves so many examples where it is thorough; an invariant, 400 and more."""
    return settings(max_examples=round(number * share()), **options)
