"""The control socket: its owner's alone, in reach of a long path, and never in the way when it is dead."""

import os
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from brimline.errors import OutputError
from brimline.store.socket import LONGEST, ControlSocket, find_socket


@pytest.fixture
def make(monkeypatch, tmp_path_factory):
    """Make sockets that are closed with the test; the system's folders are a short folder of the test's."""
    with_ends = []
    short = tmp_path_factory.mktemp("s")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))

    def make(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with_ends.append(ControlSocket(folder))
        return with_ends[-1]

    yield make
    for each in with_ends:
        each.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.fixture
def folder():
    """A folder whose path is short: those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="b") as short:
        yield Path(short) / "out.jsonl.run"


@pytest.fixture
def long_folder(tmp_path):
    return tmp_path / ("long " * 30) / "out.jsonl.run"


@pytest.mark.parametrize("place", ["folder", "long_folder"])
def test_only_its_owner_can_reach_it(make, place, request):
    folder = request.getfixturevalue(place)
    old = os.umask(0)
    try:
        make(folder)
    finally:
        os.umask(old)
    path = find_socket(folder)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    connect(path)


def test_a_folder_of_ours_that_others_could_look_into_is_closed_to_them(make, folder):
    folder.mkdir(parents=True, mode=0o755)
    make(folder)
    assert mode(folder) == 0o700


def test_it_lies_beside_the_results(make, folder):
    make(folder)
    assert find_socket(folder).parent == folder.resolve()


def test_a_path_that_is_too_long_is_linked_to_a_short_one(make, long_folder):
    made = make(long_folder)
    path = find_socket(long_folder)
    assert len(os.fsencode(path)) <= LONGEST
    assert path.parent != long_folder
    made.close()
    assert not path.exists()
    assert list(long_folder.iterdir()) == []


def test_two_runs_have_two_places(make, tmp_path):
    folders = [tmp_path / ("long " * 30) / name for name in ("one.run", "other.run")]
    for folder in folders:
        make(folder)
    assert len({find_socket(folder) for folder in folders}) == 2


def test_a_private_folder_that_is_not_ours_is_not_used(make, long_folder, monkeypatch, tmp_path_factory):
    """Somebody else has put a link where our folder would be."""
    runtime, theirs = tmp_path_factory.mktemp("r"), tmp_path_factory.mktemp("t")
    (runtime / f"brimline-{os.geteuid()}").symlink_to(theirs)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    make(long_folder)
    assert list(theirs.iterdir()) == []
    assert find_socket(long_folder).parent.resolve() != theirs.resolve()


@pytest.mark.parametrize("place", ["folder", "long_folder"])
def test_a_dead_socket_is_replaced(make, place, request):
    folder = request.getfixturevalue(place)
    first = make(folder)
    first.socket.close()  # killed: the file stays
    with pytest.raises(ConnectionRefusedError):
        connect(find_socket(folder))
    make(folder)
    connect(find_socket(folder))


def test_closing_leaves_nothing_behind(make, folder):
    made = make(folder)
    made.close()
    made.close()
    assert list(folder.iterdir()) == []
    assert find_socket(folder) is None


def test_no_folder_no_socket(tmp_path):
    assert find_socket(tmp_path / "nothing.run") is None


def test_what_is_no_socket_is_refused(tmp_path):
    (tmp_path / "control.sock").write_text("")
    with pytest.raises(OutputError, match="is no socket"):
        find_socket(tmp_path)


def test_another_users_socket_is_refused(make, folder, monkeypatch):
    make(folder)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(OutputError, match="belongs to another user"):
        find_socket(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_kernel_refuses_another_user(make, folder):
    make(folder)
    for path in (folder.parent, folder):
        path.chmod(0o755)  # so that only the socket's own mode is in the way
    command = ["/bin/sh", "-c", 'test -e "$0" && ! test -w "$0"', find_socket(folder)]
    assert subprocess.run(command, check=False, user=65534).returncode == 0
    find_socket(folder).chmod(0o666)
    assert subprocess.run(command, check=False, user=65534).returncode == 1


def test_where_there_is_no_place_it_says_so(long_folder, monkeypatch):
    long_folder.mkdir(parents=True)
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(OSError, match="no private folder"):
        ControlSocket(long_folder)
