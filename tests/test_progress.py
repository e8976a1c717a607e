"""At a terminal long work shows how far it is; everywhere else it is silent."""

import os
import pty
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def at_a_terminal(*arguments, folder):
    """Run the command line with a terminal for its standard error, and return what that terminal was shown."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-m", "textclf", *map(str, arguments)]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        shown = bytearray()
        while True:
            try:
                block = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            shown += block
        assert process.stdout.read() == b""
    os.close(master)
    assert process.returncode == 0
    return shown.decode()


def test_training_shows_epochs_losses_and_validation_at_a_terminal(tmp_path):
    options = ["--optimizer", "adam", "--hidden", "64", "--epochs", "15", "--patience", "15"]
    shown = at_a_terminal("train", DATA / "reviews-train.csv", "-o", "m", *options, folder=tmp_path)
    assert " of 15" in shown
    assert "loss 0." in shown
    assert "validation accuracy 0." in shown
    assert "texts/s" in shown


def test_quiet_is_quiet_at_a_terminal_too(tmp_path):
    assert at_a_terminal("train", DATA / "reviews-train.csv", "-o", "m", "--quiet", folder=tmp_path) == ""
