"""Which files may be taken, on a clock that is a number."""

from brimline.core.time import SECOND
from brimline.evals.watch.arrivals import LATE, SETTLE, SOON, Arrivals, Sighting

OLD, NEW = Sighting(10, "old.jsonl", 5), Sighting(20, "new.jsonl", 5)


def settled(*files):
    """Arrivals that have seen these files for long enough."""
    arrivals = Arrivals()
    arrivals.look(0, files)
    arrivals.look(SETTLE, files)
    return arrivals


def test_a_file_counts_once_it_was_unchanged_for_the_whole_settle_time():
    arrivals = Arrivals()
    arrivals.look(0, [OLD])
    assert arrivals.take() is None
    arrivals.look(SETTLE - 1, [OLD])
    assert arrivals.take() is None
    arrivals.look(SETTLE, [OLD])
    assert arrivals.take() == OLD


def test_a_file_that_grows_or_is_touched_waits_anew():
    arrivals = Arrivals()
    arrivals.look(0, [OLD])
    grown, touched = Sighting(10, "old.jsonl", 6), Sighting(11, "old.jsonl", 6)
    arrivals.look(SETTLE, [grown])
    assert arrivals.take() is None
    arrivals.look(2 * SETTLE, [touched])
    assert arrivals.take() is None
    arrivals.look(3 * SETTLE, [touched])
    assert arrivals.take() == touched


def test_the_oldest_is_taken_first_and_each_only_once():
    arrivals = settled(NEW, OLD)
    assert [arrivals.take(), arrivals.take(), arrivals.take()] == [OLD, NEW, None]
    arrivals.look(10 * SETTLE, [NEW, OLD])
    assert arrivals.take() is None


def test_what_is_finished_is_not_taken_again_until_it_changes():
    arrivals = settled(OLD)
    arrivals.finish(arrivals.take())
    arrivals.look(5 * SETTLE, [OLD])
    assert arrivals.take() is None
    changed = Sighting(30, "old.jsonl", 7)
    arrivals.look(6 * SETTLE, [changed])
    arrivals.look(7 * SETTLE, [changed])
    assert arrivals.take() == changed


def test_a_file_that_changed_while_it_ran_is_taken_again_though_it_was_finished():
    arrivals = settled(OLD)
    taken, changed = arrivals.take(), Sighting(30, "old.jsonl", 7)
    arrivals.look(5 * SETTLE, [changed])
    assert arrivals.take() is None
    arrivals.finish(taken)
    arrivals.look(7 * SETTLE, [changed])
    assert arrivals.take() == changed


def test_what_could_not_be_run_is_tried_again_ever_later():
    arrivals, now, waits = settled(OLD), SETTLE, []
    for _ in range(12):
        waits.append(arrivals.fail(arrivals.take(), now))
        arrivals.look(now + waits[-1] - 1, [OLD])
        assert arrivals.take() is None
        assert arrivals.is_quiet(now + waits[-1] - 1)
        now += waits[-1]
        arrivals.look(now, [OLD])
    assert waits[:5] == [SOON, 2 * SOON, 4 * SOON, 8 * SOON, 16 * SOON]
    assert set(waits[5:]) == {LATE}


def test_a_changed_file_is_tried_at_once_whatever_became_of_it_before():
    arrivals = settled(OLD)
    arrivals.fail(arrivals.take(), SETTLE)
    changed = Sighting(30, "old.jsonl", 7)
    arrivals.look(2 * SETTLE, [changed])
    arrivals.look(3 * SETTLE, [changed])
    assert arrivals.take() == changed
    assert arrivals.fail(changed, 0) == SOON


def test_a_file_that_changed_while_it_failed_is_tried_as_soon_as_it_settles():
    arrivals = settled(OLD)
    taken, changed = arrivals.take(), Sighting(30, "old.jsonl", 7)
    arrivals.look(2 * SETTLE, [changed])
    assert arrivals.fail(taken, 2 * SETTLE) == 0
    arrivals.look(3 * SETTLE, [changed])
    assert arrivals.take() == changed


def test_what_another_process_has_is_looked_at_again_and_counts_as_no_failure():
    arrivals = settled(OLD)
    arrivals.postpone(arrivals.take(), 20 * SECOND)
    arrivals.look(20 * SECOND - 1, [OLD])
    assert arrivals.take() is None
    arrivals.look(20 * SECOND, [OLD])
    assert arrivals.fail(arrivals.take(), 0) == SOON


def test_files_that_are_gone_are_forgotten_but_not_while_they_run():
    arrivals = settled(OLD, NEW)
    taken = arrivals.take()
    arrivals.look(5 * SETTLE, [])
    assert arrivals.waiting == []
    assert not arrivals.is_quiet(5 * SETTLE)
    arrivals.finish(taken)
    arrivals.look(6 * SETTLE, [])
    assert arrivals.is_quiet(6 * SETTLE)
    arrivals.look(7 * SETTLE, [OLD])
    arrivals.look(8 * SETTLE, [OLD])
    assert arrivals.take() == OLD


def test_a_folder_is_not_quiet_while_a_file_settles_or_waits_for_its_turn():
    arrivals = Arrivals()
    assert arrivals.is_quiet(0)
    arrivals.look(0, [OLD])
    assert not arrivals.is_quiet(0)
    arrivals.look(SETTLE, [OLD])
    assert not arrivals.is_quiet(SETTLE)
    arrivals.finish(arrivals.take())
    assert arrivals.is_quiet(SETTLE)
