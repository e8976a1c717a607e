"""Files are written whole or not at all, and say so when they cannot be."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textclf.errors import OutputError
from textclf.storage import files
from textclf.storage.files import user_cache, written_whole


def write(path, content):
    with written_whole(path) as stream:
        stream.write(content)


def temporary(folder, name, process, random="ab_12cd9"):
    path = folder / f".{name}.{process}.{random}.textclf-part"
    path.write_bytes(b"half")
    return path


def failing(code):
    def fails(*_arguments, **_keywords):
        raise OSError(code, os.strerror(code))

    return fails


@pytest.fixture
def dead_process():
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_a_file_appears_under_its_name_only_when_the_block_ends(tmp_path):
    path = tmp_path / "model"
    with written_whole(path) as stream:
        stream.write(b"content")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [ValueError("why"), KeyboardInterrupt("why"), SystemExit("why")])
def test_an_error_leaves_the_old_file_whole_and_no_temporary(error, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def write_and_fail():
        with written_whole(path) as stream:
            stream.write(b"new" * 100_000)
            raise error

    with pytest.raises(type(error), match="why"):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_killed_writer_leaves_the_old_file_whole_and_the_next_one_sweeps(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom textclf.storage.files import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'new' * 100_000)\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    write(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_symbolic_link_stays_and_the_file_it_names_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to("there/target")
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_that_the_mask_gives(tmp_path):
    mask = os.umask(0o027)
    try:
        write(tmp_path / "model", b"new")
    finally:
        os.umask(mask)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o640


def test_temporaries_of_dead_processes_are_swept_and_of_live_ones_kept(tmp_path, dead_process):
    stale = temporary(tmp_path, "model", dead_process)
    live = temporary(tmp_path, "model", os.getpid())
    write(tmp_path / "model", b"new")
    assert not stale.exists()
    assert live.exists()


def test_the_temporary_of_another_users_process_is_kept(tmp_path, monkeypatch):
    foreign = temporary(tmp_path, "model", 1)
    monkeypatch.setattr(os, "kill", failing(errno.EPERM))  # what the system answers to whoever is not root
    write(tmp_path / "model", b"new")
    assert foreign.exists()


def test_a_temporary_of_another_file_is_never_swept(tmp_path, dead_process):
    kept = [
        temporary(tmp_path, f"model.{dead_process}", os.getpid()),  # a live one, of a file named model.NUMBER
        temporary(tmp_path, "model2", dead_process),
        temporary(tmp_path, "model", "²"),
        temporary(tmp_path, "model", "9" * 40),
        temporary(tmp_path, "model", ""),
    ]
    write(tmp_path / "model", b"new")
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace", "mkstemp"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_system_call_is_said_of_the_output_and_changes_nothing(call, code, tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    places = {"fsync": os, "fchmod": os, "replace": Path, "mkstemp": files.tempfile}
    monkeypatch.setattr(places[call], call, failing(code))
    with pytest.raises(OutputError, match=f"model: cannot be written .{os.strerror(code)}"):
        write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_what_is_kept_for_later_stands_in_the_users_cache_unless_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of the user"))
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "named"))
    assert user_cache("vectors") == tmp_path / "named" / "vectors"
    monkeypatch.delenv("TEXTCLF_CACHE_DIR")
    assert user_cache("vectors") == tmp_path / "of the user" / "textclf" / "vectors"
