"""Sizes as people write them."""

import pytest

from brimline.config.size import parse_size
from brimline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GB", 10**9), ("1.5 GB", 1_500_000_000), ("500MB", 500_000_000), ("64KiB", 65_536), ("2gib", 2**31),
     ("10k", 10_000), ("7", 7), (7, 7), ("12 B", 12), ("1TB", 10**12)],
)  # fmt: skip
def test_a_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "0", "0.1", "-1", "1 XB", "1e9", "one", "1 GB/s", "inf"])
def test_no_size(text):
    with pytest.raises(ConfigError, match="is no size"):
        parse_size(text)
