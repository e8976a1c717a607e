"""Files are written whole or not at all, and say so when they cannot be."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from children import leftovers

from textclf.errors import OutputError
from textclf.storage import files
from textclf.storage.files import check_writable, temporary_folder, user_cache, write_whole


def write(path, content):
    with write_whole(path) as stream:
        stream.write(content)


def temporary(path, name="ab_12cd9"):
    """Return a temporary of a file, which nobody holds."""
    left = path.with_name(f"{files._prefix(path)}{name}.textclf-part")
    left.write_bytes(b"half")
    return left


HOLD = """
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from textclf.storage.files import temporary_folder, write_whole
with write_whole(Path(sys.argv[1])) as stream, temporary_folder(Path(sys.argv[1]).parent) as folder:
    stream.write(b"half")
    stream.flush()
    (folder / "rows").write_bytes(b"half")
    print(flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(path):
    """Give another process that is writing a file, and rows into a temporary folder beside it."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def failing(code):
    def fails(*_arguments, **_keywords):
        raise OSError(code, os.strerror(code))

    return fails


def test_a_file_appears_under_its_name_only_when_the_block_ends(tmp_path):
    path = tmp_path / "model"
    with write_whole(path) as stream:
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
        with write_whole(path) as stream:
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
        "import os, sys\nfrom pathlib import Path\nfrom textclf.storage.files import write_whole\n"
        "with write_whole(Path(sys.argv[1])) as stream:\n"
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


def test_what_another_process_is_writing_is_kept_and_swept_once_it_is_killed(tmp_path):
    with holding(tmp_path / "model") as other:
        for _ in range(2):
            write(tmp_path / "model", b"new")
            with temporary_folder(tmp_path):
                pass
            assert len(list(tmp_path.glob(".*.textclf-part"))) == 2
        other.kill()
        other.wait()
        write(tmp_path / "model", b"new")
        with temporary_folder(tmp_path) as folder:
            assert folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_whether_a_process_runs_is_told_by_the_lock_and_not_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "kill", failing(errno.ESRCH))  # as in a container, where others have other numbers
    with holding(tmp_path / "model"):
        write(tmp_path / "model", b"new")
        assert len(list(tmp_path.glob(".*.textclf-part"))) == 2


def test_a_temporary_of_another_file_or_user_is_never_swept(tmp_path, monkeypatch):
    path, long = tmp_path / "model", "x" * 60
    kept = [temporary(tmp_path / name) for name in ("model2", "model.1", f"{long}1")]
    (tmp_path / ".model.x.textclf-part").write_bytes(b"")
    (tmp_path / "textclf-data").mkdir()
    write(path, b"new")
    write(tmp_path / f"{long}2", b"new")
    with temporary_folder(tmp_path):
        pass
    assert all(left.exists() for left in [*kept, tmp_path / ".model.x.textclf-part", tmp_path / "textclf-data"])
    folder = tmp_path / ".textclf-folder-x.textclf-part"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with temporary_folder(tmp_path):
            assert folder.exists()
    with temporary_folder(tmp_path):
        assert not folder.exists()


def test_where_a_file_system_has_no_locks_files_are_written_and_nothing_is_swept(tmp_path, monkeypatch):
    left = temporary(tmp_path / "model")
    monkeypatch.setattr(files.fcntl, "flock", failing(errno.ENOLCK))
    write(tmp_path / "model", b"new")
    assert (tmp_path / "model").read_bytes() == b"new"
    assert left.exists()


def test_a_temporary_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    real, swept = files.fcntl.flock, []

    def flock(descriptor, how):
        if not swept:
            swept.extend(tmp_path.glob(".*.textclf-part"))
            for path in swept:
                path.rmdir() if path.is_dir() else path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    write(tmp_path / "model", b"new")
    assert len(swept) == 1
    swept.clear()
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
    assert len(swept) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_swept_before_it_is_opened_is_made_again(tmp_path, monkeypatch):
    real, swept = os.open, []

    def open_later(path, *arguments, **keywords):
        if not swept and str(path).endswith(".textclf-part"):
            swept.append(Path(path))
            Path(path).rmdir()
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", open_later)
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert folder != swept[0]
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/{}", "/proc/self/fd/{}", "link", "links/{}"])
@pytest.mark.parametrize("act", [check_writable, lambda path: write(path, b"new")])
def test_a_file_that_a_process_has_opened_is_not_replaced(name, act, tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    with (tmp_path / "redirected").open("wb") as stream:
        stream.write(b"before")
        stream.flush()
        (tmp_path / "link").symlink_to(f"/proc/self/fd/{stream.fileno()}")
        (tmp_path / "links").symlink_to("/proc/self/fd")
        path = tmp_path / name.format(stream.fileno())
        with pytest.raises(OutputError, match=r"expected a file to write, found (what another program|a device)"):
            act(path)
        stream.write(b" and after")
    assert (tmp_path / "redirected").read_bytes() == b"before and after"


def test_a_folder_of_a_process_is_a_folder_like_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if Path("/proc/self/cwd").exists():
        write(Path("/proc/self/cwd/model"), b"new")
        assert (tmp_path / "model").read_bytes() == b"new"


def test_who_owns_a_file_that_is_replaced_owns_the_new_one(tmp_path, monkeypatch):
    path, given = tmp_path / "model", []
    path.write_bytes(b"old")
    owner = path.stat()

    def fchown(_descriptor, user, group):
        given.append((user, group))
        if user != -1:
            raise PermissionError(errno.EPERM, "only root gives files away")

    monkeypatch.setattr(os, "fchown", fchown)
    write(path, b"new")
    assert given == [(owner.st_uid, owner.st_gid), (-1, owner.st_gid)]
    monkeypatch.undo()
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
        path.chmod(0o640)
        write(path, b"newer")
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (12345, 54321, 0o640)
    assert path.read_bytes().startswith(b"new")


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL, errno.ENOTSUP])
def test_where_a_drive_has_no_owners_or_modes_a_file_is_written_all_the_same(code, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fchown", failing(code))
    monkeypatch.setattr(os, "fchmod", failing(code))
    for content in (b"new", b"newer"):
        write(tmp_path / "model", content)
        assert (tmp_path / "model").read_bytes() == content


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace", "_create"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_system_call_is_said_of_the_output_and_changes_nothing(call, code, tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    places = {"fsync": os, "fchmod": os, "replace": Path, "_create": files}
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


@pytest.mark.parametrize(
    "act", [check_writable, lambda path: write(path, b"new"), lambda path: use_folder(path.parent)]
)
@pytest.mark.parametrize("call", ["open", "mkdir", "close", "flock"])
def test_a_stop_between_making_a_temporary_and_knowing_it_leaves_nothing(call, act, tmp_path, monkeypatch):
    place = files.fcntl if call == "flock" else os
    real = getattr(place, call)

    def stopped(*arguments, **keywords):
        found = real(*arguments, **keywords)
        if not stops:
            stops.append(call)
            raise KeyboardInterrupt
        return found

    stops = []
    monkeypatch.setattr(place, call, stopped)
    with suppress(KeyboardInterrupt):
        act(tmp_path / "model")
    monkeypatch.undo()
    assert leftovers(tmp_path) == []


def use_folder(place):
    with temporary_folder(place):
        pass
