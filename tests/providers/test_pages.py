"""The pages about providers say what the presets' rows and the providers themselves say."""

import re
from pathlib import Path

import pytest

from brimline.testing.pages import WRITTEN, pages

FOLDER = Path(__file__).parents[2] / "docs" / "providers"
WRITE = "python -m brimline.testing.pages docs/providers"


@pytest.mark.parametrize(("name", "page"), pages().items())
def test_a_page_is_up_to_date(name, page):
    path = FOLDER / name
    assert path.is_file(), f"{name} is missing; run: {WRITE}"
    assert path.read_text(encoding="utf-8") == page, f"{name} is out of date; run: {WRITE}"


def test_no_page_is_left_of_what_is_gone():
    written = {path.name for path in FOLDER.glob("*.md") if WRITTEN in path.read_text(encoding="utf-8")}
    assert written == {*pages()}


def test_every_link_leads_somewhere():
    for path in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
