"""Files that cannot be run are put aside with their reason."""

import pytest

from brimline.evals.watch.rejects import reject


def test_a_file_is_moved_with_its_reason_beside_it(tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text("no")
    target = reject(file, tmp_path / "rejected", "line 1: no\nline 2: \udcff")
    assert target == tmp_path / "rejected" / "bad.jsonl"
    assert (target.read_text(), file.exists()) == ("no", False)
    assert (tmp_path / "rejected" / "bad.jsonl.reason.txt").read_text() == "line 1: no\nline 2: \\udcff\n"


def test_one_that_was_put_aside_before_is_kept(tmp_path):
    for text in "123":
        (tmp_path / "bad.csv.gz").write_text(text)
        reject(tmp_path / "bad.csv.gz", tmp_path / "rejected", f"reason {text}")
    held = {path.name: path.read_text().strip() for path in (tmp_path / "rejected").iterdir()}
    assert held == {
        "bad.csv.gz": "1",
        "bad.csv.gz.reason.txt": "reason 1",
        "bad-2.csv.gz": "2",
        "bad-2.csv.gz.reason.txt": "reason 2",
        "bad-3.csv.gz": "3",
        "bad-3.csv.gz.reason.txt": "reason 3",
    }


def test_a_file_that_cannot_be_moved_leaves_no_reason_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        reject(tmp_path / "gone.jsonl", tmp_path / "rejected", "why")
    assert [*(tmp_path / "rejected").iterdir()] == []
