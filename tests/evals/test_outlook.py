"""How long the files of a folder will take."""

import pytest

from brimline.core.time import SECOND
from brimline.evals.watch.outlook import Outlook, Part


def test_nobody_knows_before_anything_is_done():
    outlook = Outlook()
    assert outlook.left(0, [], [100]) is None
    outlook.begin(0)
    assert outlook.left(5 * SECOND, [Part(100, 0, 0)], []) is None


def test_nothing_left_takes_no_time():
    assert Outlook().left(0, [], []) == 0.0


def test_what_waits_goes_at_the_pace_of_what_was_done():
    outlook = Outlook()
    outlook.begin(0)
    assert outlook.left(10 * SECOND, [Part(100, 0, 0.5)], [150]) == pytest.approx(40)


def test_what_was_on_file_before_says_nothing_of_the_pace():
    outlook = Outlook()
    outlook.begin(0)
    assert outlook.left(10 * SECOND, [Part(1000, 0.8, 0.9)], []) == pytest.approx(10)


def test_idle_time_does_not_count():
    outlook = Outlook()
    outlook.begin(0)
    outlook.begin(3 * SECOND)
    outlook.end(Part(100, 0, 1))
    outlook.rest(10 * SECOND)
    outlook.rest(50 * SECOND)
    assert outlook.left(1000 * SECOND, [], [50]) == pytest.approx(5)
