"""On Windows and macOS the work goes on without what they lack: limits, locks, modes, folders that can be opened."""

import importlib.util
import os
import resource
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from textclf.cli import LazyGroup, signals
from textclf.cli.console import command_line
from textclf.model import file as model_file
from textclf.storage import array_store, files
from textclf.tables import reader_child
from textclf.training import trial_worker
from textclf.vectors import fasttext_child, unpack

SETTERS = [
    (fasttext_child._limit_memory, (1 << 40,)),
    (reader_child._set_limits, (1 << 40, 1000)),
    (trial_worker._limit_memory, ()),
]
MISSING = {"fchmod", "fchown", "geteuid", "sysconf", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"}


class WindowsOs:
    """The module os without what it lacks there; folders cannot be opened."""

    def __getattr__(self, name):
        if name in MISSING:
            raise AttributeError(f"module 'os' has no attribute {name!r}")
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return os.open(path, flags, mode)


@pytest.fixture
def windows(monkeypatch):
    """Pretend to be Windows: no fcntl, a smaller os, and open files that are neither renamed nor removed."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(files, "fcntl", None)
    for module in (files, array_store):
        monkeypatch.setattr(module, "os", WindowsOs())

    def closed(path):
        if any(descriptor.resolve() == path for descriptor in Path("/proc/self/fd").iterdir()):
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    replace, unlink = Path.replace, Path.unlink
    monkeypatch.setattr(Path, "replace", lambda path, target: (closed(path), closed(target), replace(path, target)))
    monkeypatch.setattr(
        Path, "unlink", lambda path, missing_ok=False: (closed(path), unlink(path, missing_ok=missing_ok))
    )
    return monkeypatch


@pytest.mark.parametrize(("set_limits", "arguments"), SETTERS[:2])
@pytest.mark.parametrize("error", [OSError(22, "Invalid argument"), ValueError("current limit exceeds maximum limit")])
def test_a_limit_that_the_system_refuses_is_left_out_and_the_others_are_set(set_limits, arguments, error, monkeypatch):
    asked = []

    def refuse_memory(kind, _limits):
        asked.append(kind)
        if kind == resource.RLIMIT_AS:
            raise error

    monkeypatch.setattr(resource, "setrlimit", refuse_memory)
    set_limits(*arguments)
    assert {resource.RLIMIT_AS, resource.RLIMIT_CORE} <= set(asked)


@pytest.mark.parametrize(("set_limits", "arguments"), SETTERS)
def test_on_windows_no_limit_is_asked_for(set_limits, arguments, windows):
    windows.setitem(sys.modules, "resource", None)
    set_limits(*arguments)


def test_on_macos_the_workers_of_a_search_have_no_bound(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("a limit was set"))
    trial_worker._limit_memory()


def test_windows_writes_files_whole_without_locks_modes_or_open_folders(tmp_path, windows):
    path = tmp_path / "model"
    files.check_writable(path)
    for content in (b"old", b"new"):
        with files.write_whole(path) as stream:
            stream.write(content)
        assert path.read_bytes() == content
    with pytest.raises(KeyboardInterrupt, match=r"^$"), files.write_whole(path) as stream:
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_windows_keeps_the_temporaries_that_a_process_has_open_and_removes_the_others(tmp_path, windows):
    path = tmp_path / "model"
    with files.write_whole(path) as stream:
        stream.write(b"whole")
        files.sweep(path)
        assert len(list(tmp_path.iterdir())) == 1
    left = files._new_name(path)
    left.write_bytes(b"")
    files.sweep(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_windows_makes_temporary_folders_and_removes_them_but_sweeps_none(tmp_path, windows):
    other = tmp_path / ".textclf-folder-1.textclf-part"
    other.mkdir()
    with files.temporary_folder(tmp_path) as folder:
        (folder / "a").write_bytes(b"")
    assert list(tmp_path.iterdir()) == [other]


def test_windows_maps_no_model_because_a_mapped_file_cannot_be_replaced(tmp_path, windows):
    model_file.write_model(tmp_path / "m", {"a": np.ones(3, np.float32)}, {})
    windows.setattr(np, "memmap", lambda *_, **__: pytest.fail("the model was mapped"))
    assert model_file.read_model(tmp_path / "m").arrays["a"].tolist() == [1, 1, 1]


def test_windows_has_a_budget_of_memory_and_gives_no_pages_back(windows):
    assert array_store.default_budget() == 1 << 30
    array_store._release(SimpleNamespace(nbytes=1, _mmap=object()))


@pytest.mark.parametrize("module", [files, signals])
def test_modules_are_imported_where_the_system_lacks_locks_and_sighup(module, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    spec = importlib.util.spec_from_file_location("on_windows", module.__file__)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert module is files or loaded._SIGNALS == (signal.SIGINT, signal.SIGTERM, 21)


def test_a_command_to_copy_is_quoted_for_the_shells_of_the_system(monkeypatch):
    assert command_line(["train", "my rows.csv"]) == "textclf train 'my rows.csv'"
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_line(["train", "my rows.csv"]) == 'textclf train "my rows.csv"'


def test_vectors_are_copied_where_the_system_has_no_links(tmp_path, monkeypatch):
    (tmp_path / "v.txt").write_text("good 1 2\n")
    monkeypatch.setattr(Path, "symlink_to", lambda *_: (_ for _ in ()).throw(OSError(1314, "A privilege is not held")))
    unpack._link(tmp_path / "v.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "good 1 2\n"


@pytest.mark.parametrize("refuses", [False, True])
def test_macos_has_the_disk_itself_keep_what_is_written(refuses, tmp_path, monkeypatch):
    calls = []

    def fcntl(_descriptor, call):
        calls.append(call)
        if refuses:
            raise OSError(45, "Operation not supported")

    real = files.fcntl
    stub = SimpleNamespace(F_FULLFSYNC=51, fcntl=fcntl, flock=real.flock, LOCK_EX=real.LOCK_EX, LOCK_NB=real.LOCK_NB)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(files, "fcntl", stub)
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("fsync"))
    with files.write_whole(tmp_path / "model") as stream:
        stream.write(b"whole")
    assert calls == [51, "fsync", 51, "fsync"] if refuses else calls == [51, 51]


def test_without_scikit_learn_the_names_that_need_it_tell_the_extra(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("textclf.errors.find_spec", lambda name: None if name == "sklearn" else real(name))
    with pytest.raises(ImportError, match=r'textclf.TextClassifier: .*pip install "textclf-nn\[sklearn\]"'):
        importlib.import_module("textclf").TextClassifier  # noqa: B018
    (tmp_path / "t.csv").write_text("text,label\ngood,a\nbad,b\n")
    arguments = ["compare", tmp_path / "t.csv", tmp_path / "t.csv", "--train", tmp_path / "t.csv"]
    done = CliRunner().invoke(LazyGroup("textclf"), list(map(str, arguments)))
    assert 'pip install "textclf-nn[sklearn]"' in str(done.exception)
