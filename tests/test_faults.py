"""Whatever fails, and whenever a run is ended: the old file whole, or the new file whole, and a line that says why."""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from children import SOAK, break_call, leftovers, run, start

from textclf import cli
from textclf.storage import files

DATA = Path(__file__).parent.parent / "data" / "reviews-train.csv"
KILLS = 200 if SOAK else 20
STOPS = 20 if SOAK else 2
TRAIN = ("train", "rows.csv", "-o", "out", "--quiet", "--vectors", "none", "--dimension", "4", "--char-ngrams", "none")
LONG = ("--optimizer", "adam", "--epochs", "3000", "--patience", "3000")
PREDICT = ("predict", "model", "-i", "rows.csv", "-o", "out", "--quiet")
LINK = "out.vec"  # names `out`: what vectors are written to must have such an ending
SHEET = "out.xlsx"
VECTORS = ("vectors", "train", "rows.csv", "-o", LINK, "--dimension", "4", "--epochs", "1", "--min-count", "1", "-q")
SUGGEST = ("suggest", "model", "rows.csv", "-n", "5", "-o", "out", "--quiet", "--vectors", "none")
EXPORT = ("export", "model", "-o", "out", "--to", "html", "--quiet")
EXCEL = ("predict", "model", "-i", "rows.csv", "-o", SHEET, "--quiet")
COMMANDS = {
    "train": TRAIN, "predict": PREDICT, "suggest": SUGGEST, "export": EXPORT, "excel": EXCEL, "vectors": VECTORS
}  # fmt: skip
if find_spec("gensim") is None:  # which trains the vectors
    del COMMANDS["vectors"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a table, a model, and what each command writes of them."""
    folder = tmp_path_factory.mktemp("place")
    lines = DATA.read_text("utf-8").splitlines(keepends=True)
    (folder / "rows.csv").write_text("".join(lines[:121]), "utf-8")
    for link in (LINK, SHEET):
        (folder / link).symlink_to("out")
    for name, command in COMMANDS.items():
        run(*command, folder=folder)
        if name == "train":
            shutil.copy(folder / "out", folder / "model")
        (folder / "out").rename(folder / f"{name}.whole")
    return folder


@pytest.fixture
def there(place, tmp_path):
    """Make a folder for one test, in which an old file stands in the place of the output."""
    for name in ("rows.csv", "model"):
        shutil.copy(place / name, tmp_path)
    (tmp_path / "out").write_bytes(b"old")
    for link in (LINK, SHEET):
        (tmp_path / link).symlink_to("out")
    return tmp_path


def whole(place, name):
    return (place / f"{name}.whole").read_bytes()


# --- killed -------------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_at_any_moment_leaves_the_old_file_or_the_new_one(place, there):
    moments = random.Random(1)
    began = time.monotonic()
    for command in COMMANDS.values():
        run(*command, folder=there)
    longest = (time.monotonic() - began) / len(COMMANDS)
    for number in range(KILLS):
        name = list(COMMANDS)[number % len(COMMANDS)]
        (there / "out").write_bytes(b"old")
        child = start(*COMMANDS[name], folder=there)
        time.sleep(moments.uniform(0, longest))
        child.kill(signal.SIGKILL)
        assert (there / "out").read_bytes() in (b"old", whole(place, name))
    run(*TRAIN, folder=there)
    assert leftovers(there) == []


def die(call, after):
    """Let a system call of writing end this process, before it or after it."""
    break_call(call, after, lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("call", ["_create", "write", "fchmod", "fsync", "close", "replace"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_at_a_call_of_writing_leaves_a_whole_file_and_the_next_sweeps(call, after, place, there):
    for name in COMMANDS if SOAK else ("predict",):
        (there / "out").write_bytes(b"old")
        child = start(*COMMANDS[name], folder=there, prepare=partial(die, call, after))
        assert child.wait() == -signal.SIGKILL
        expected = whole(place, name) if (call, after) == ("replace", True) else b"old"
        assert (there / "out").read_bytes() == expected
    run(*PREDICT, folder=there)
    assert leftovers(there) == []
    assert (there / "out").read_bytes() == whole(place, "predict")


@pytest.mark.parametrize("options", [("--optimizer", "adam", "--epochs", "40"), ()], ids=["mini-batches", "all rows"])
def test_a_training_that_is_killed_again_and_again_ends_with_the_bytes_of_a_straight_run(options, there):
    run(*TRAIN, *options, folder=there)
    straight = (there / "out").read_bytes()
    moments = random.Random(2)
    for _ in range(KILLS // 5):
        child = start(*TRAIN, *options, "--resume", folder=there, prepare=always_write)
        time.sleep(moments.uniform(0, 0.5))
        child.kill(signal.SIGKILL)
    run(*TRAIN, *options, "--resume", folder=there)
    assert (there / "out").read_bytes() == straight
    assert leftovers(there) == []
    assert not (there / "out.checkpoint").exists()


def always_write():
    from textclf.training import checkpoint

    checkpoint.SECONDS_BETWEEN = checkpoint._SHARE_OF_WRITING = 1e-9


# --- stopped ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_ends_at_once_with_a_word_and_a_whole_file(number, code, place, there):
    moments = random.Random(int(number))
    for name, options in (("train", LONG), ("train", ()), ("predict", ()), ("suggest", ())):
        whole = b"old"
        if not options:
            run(*COMMANDS[name], folder=there)
            whole = (there / "out").read_bytes()
        for _ in range(STOPS):
            (there / "out").write_bytes(b"old")
            child = start(*COMMANDS[name], *options, folder=there)
            time.sleep(moments.uniform(0, 1.0 if options else 0.3))
            seconds = child.kill(number)
            assert child.wait() in ((code,) if options else (code, 0))
            assert seconds < (2 if SOAK else 10)  # a machine that tests many things at once is slow
            if child.wait() == code:
                assert child.said().strip().splitlines()[-1].startswith("Error: stopped")
            assert (there / "out").read_bytes() in ((b"old", whole) if child.wait() else (whole,))
            assert leftovers(there) == []


def test_a_training_that_is_stopped_says_how_to_go_on_and_does(there):
    run(*TRAIN, "--optimizer", "adam", "--epochs", "60", folder=there)
    straight = (there / "out").read_bytes()
    command = (*TRAIN, "--optimizer", "adam", "--epochs", "60")
    child = start(*command, folder=there, prepare=stop_soon)
    assert child.wait() == 143
    last = child.said().strip().splitlines()[-1]
    assert last == f"Error: stopped; resume with: textclf {' '.join(command)} --resume"
    assert run(*command, "--resume", "--seed", "2", folder=there, code=1).endswith("to start from scratch.\n")
    warning = run(*command, folder=there, prepare=stop_soon, code=143).splitlines()[0]
    assert warning.startswith("Warning: out.checkpoint: found an unfinished training. This run")
    run(*command, "--resume", folder=there)
    assert (there / "out").read_bytes() == straight
    assert not (there / "out.checkpoint").exists()


def stop_soon():
    """Let the training get SIGTERM in its seventh epoch, from outside as it were."""
    from textclf.training import checkpoint

    real, saved = checkpoint.CheckpointFile.save, []

    def save(self, name, make):
        real(self, name, make)
        saved.append(name)
        if len(saved) == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    checkpoint.CheckpointFile.save = save


# --- the disk -----------------------------------------------------------------------------------------------------


class Fault:
    """Fails the nth of all calls that write a file."""

    def __init__(self, patch, nth, code):
        self.left, self.code, self.failed = nth, code, None
        for place, call in (
            (files, "_create"), (files._Temporary, "write"), (os, "fchmod"), (os, "fsync"),
            (files._Temporary, "close"), (Path, "replace"),
        ):  # fmt: skip
            patch.setattr(place, call, self.failing(getattr(place, call), call))

    def failing(self, real, call):
        def fails(*arguments, **keywords):
            self.left -= 1
            if self.left == 0:
                self.failed = call
                if call == "close":
                    real(*arguments, **keywords)
                error = OSError(self.code, os.strerror(self.code))
                if call in ("write", "close"):  # the class's own methods, which say this of the output
                    with files._blame(Path("out")):
                        raise error
                raise error
            return real(*arguments, **keywords)

        return fails


# What the system says is passed on by one function: one command tries all of its words.
FAULTS = [(name, errno.ENOSPC) for name in COMMANDS] + [("predict", errno.EIO), ("predict", errno.EDQUOT)]


@pytest.mark.parametrize(("name", "code"), FAULTS)
def test_the_nth_call_of_writing_fails_for_every_n(name, code, place, there, monkeypatch, capsys):
    monkeypatch.chdir(there)
    failed = []
    while True:
        (there / "out").write_bytes(b"old")
        with monkeypatch.context() as patch:
            fault = Fault(patch, len(failed) + 1, code)
            found = cli.run(COMMANDS[name])
        if fault.failed is None:
            break
        failed.append(fault.failed)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert os.strerror(code) in said
        assert found == 1
        is_written = fault.failed == "fsync" and failed.count("fsync") == 2  # of the folder, after the renaming
        assert (there / "out").read_bytes() == (whole(place, name) if is_written else b"old")
        assert ("is written, but" in said) == is_written
        assert leftovers(there) == []
    assert found == 0
    assert {"_create", "write", "fchmod", "fsync", "close", "replace"} <= set(failed)
    assert (there / "out").read_bytes() == whole(place, name)


def limit_size(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("name", ["train", "predict"])
def test_a_file_that_may_not_grow_so_large_is_not_written(name, place, there):
    size = len(whole(place, name))
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}  # has files too
    for most in (0, 1, size // 2, size - 1) if SOAK else {"predict": (0, size // 2), "train": (size - 1,)}[name]:
        done = subprocess.run(
            [sys.executable, "-m", "textclf", *COMMANDS[name]],
            cwd=there, env=unmeasured, capture_output=True, encoding="utf-8", preexec_fn=partial(limit_size, most),
            check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert done.stderr == "Error: out: cannot be written (File too large). The old file, if any, is as it was.\n"
        assert (there / "out").read_bytes() == b"old"
        assert leftovers(there) == []


def test_a_disk_that_is_full_is_said_and_the_old_file_stays(place, there):
    small = there / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        (small / "out").write_bytes(b"old")
        for name in ("train", "predict"):
            command = ["small/out" if part == "out" else part for part in COMMANDS[name]]
            said = run(*command, *(["--proba", "--top-k", "2"] if name == "predict" else []), folder=there, code=1)
            assert said == (
                "Error: small/out: cannot be written (No space left on device). The old file, if any, is as it was.\n"
            )
            assert (small / "out").read_bytes() == b"old"
            assert leftovers(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def be_nobody():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_a_folder_that_is_read_only_is_refused_before_any_work(place):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in ("rows.csv", "model"):
            shutil.copy(place / file, folder)
        (folder / "talk.txt").touch()
        (folder / "shut").mkdir()
        (folder / "shut").chmod(0o555)
        for command in COMMANDS.values():
            (output,) = {"out", LINK, SHEET} & {*command}
            arguments = [f"shut/{output}" if part == output else part for part in command]
            said = run(*arguments, folder=folder, code=1, prepare=be_nobody)
            assert said == f"Error: shut/{output}: the folder '{folder}/shut' cannot be written to. Write elsewhere.\n"


# --- limits -------------------------------------------------------------------------------------------------------


def limit_memory(more):
    """Allow so many bytes of address space beside what this process has."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@pytest.mark.parametrize("name", COMMANDS)
def test_too_little_memory_is_one_line_and_a_whole_file(name, place, there):
    for megabytes in (*(range(0, 640, 10) if SOAK else (8, 32, 128)), 1280):
        (there / "out").write_bytes(b"old")
        child = start(*COMMANDS[name], folder=there, prepare=partial(limit_memory, megabytes << 20))
        code, said = child.wait(), child.said()
        assert code in (0, 1), said
        assert (there / "out").read_bytes() == (b"old" if code else whole(place, name))
        assert said.count("\n") == code, said
    assert code == 0
    assert leftovers(there) == []  # without memory for the name to remove, the next run sweeps it


def limit_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


@pytest.mark.parametrize("name", COMMANDS)
def test_few_files_may_be_open(name, place, there):
    run(*COMMANDS[name], folder=there, prepare=limit_files)
    assert (there / "out").read_bytes() == whole(place, name)


# --- the reader of our output leaves ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",)])  # the table's writer, and the command's own lines
def test_a_reader_that_leaves_is_nothing_to_complain_about(options, there):
    rows = "".join((there / "rows.csv").read_text("utf-8").splitlines(keepends=True)[1:]) * 40
    (there / "many.csv").write_text("text,label\n" + rows, "utf-8")
    command = [sys.executable, "-m", "textclf", "predict", "model", "-i", "many.csv", "--quiet", *options]
    with subprocess.Popen(command, cwd=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
