"""A signal ends a run with its own exit code and one word, wherever it falls."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
BEFORE = "cli.run = lambda arguments: os.kill(os.getpid(), number)"
AFTER = "cli.signals.ignore_signals = lambda: os.kill(os.getpid(), number)"
INTO_ANOTHER_ERROR = """
def main(**_):
    try:
        os.kill(os.getpid(), number)
    except BaseException:
        raise ImportError("a library makes this of it")
cli.cli.main = main
"""
WHILE_FREEING = """
import time

class Freed:
    def __del__(self):
        os.kill(os.getpid(), number)

def wait(arguments):
    Freed()
    time.sleep(60)

cli.run = wait
"""
WHILE_LEAVING = """
import atexit
atexit.register(lambda: os.kill(os.getpid(), number))
"""


def leave(moment, number):
    # Under nohup SIGHUP is ignored from the start, and the command leaves it so.
    names = "import os, signal, sys\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\nfrom textclf.cli import app as cli\n"
    program = f"{names}number = {int(number)}\n{moment}\ncli.main(['--version'])\n"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50)


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize(
    "moment",
    [BEFORE, AFTER, INTO_ANOTHER_ERROR, WHILE_FREEING],
    ids=["before", "after", "into another error", "while an object is freed"],
)
def test_a_signal_ends_the_run_with_its_code_and_a_word(moment, number):
    done = leave(moment, number)
    assert (done.returncode, done.stderr) == (CODES[number], "Error: stopped.\n")


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_the_process_leaves_changes_nothing(number):
    done = leave(WHILE_LEAVING, number)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_that_was_ignored_on_purpose_stays_ignored():
    program = "import os, signal\nfrom textclf import cli\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    program += "cli.signals.take_signals()\nos.kill(os.getpid(), signal.SIGHUP)\nprint('goes on')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")


WHILE_IMPORTING = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "textclf.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from textclf.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_line_is_imported_ends_the_process_without_a_traceback():
    done = subprocess.run([sys.executable, "-c", WHILE_IMPORTING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_program_starts_where_ctrl_c_is_seen_to():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"textclf": "textclf.__main__:main"}
