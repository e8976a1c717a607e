"""At a terminal long work shows how far it is; everywhere else it is silent."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from calls import textclf

from textclf.cli.console import counting_rows, counting_steps

DATA = Path(__file__).parents[2] / "data"
QUICK = ("--vectors", "none", "--recipe", "fast")


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
    options = ["--optimizer", "adam", "--hidden", "64", "--epochs", "15", "--patience", "15", "--vectors", "none"]
    shown = at_a_terminal("train", DATA / "reviews-test.csv", "-o", "m", *options, folder=tmp_path)
    assert " of 15" in shown
    assert "loss 0." in shown
    assert "validation accuracy 0." in shown
    assert "texts/s" in shown


def test_labelling_shows_how_many_rows_are_done(tmp_path):
    textclf("train", DATA / "reviews-test.csv", "-o", "m", *QUICK, folder=tmp_path)
    shown = at_a_terminal("predict", "m", "-i", DATA / "reviews-test.csv", "-o", "out.csv", folder=tmp_path)
    rows = len((tmp_path / "out.csv").read_text().splitlines()) - 1
    assert "labelling" in shown
    assert f"{rows:,} rows" in shown
    assert "rows/s" in shown


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_steps_and_rows_are_counted_on_a_terminal_alone(monkeypatch):
    for make, said in (
        (lambda quiet: counting_steps("training", 7, quiet=quiet), "training 3 of 7"),
        (lambda quiet: counting_rows("reading", quiet=quiet), "3 rows, "),
    ):
        for screen, quiet in ((Screen(), False), (Screen(), True), (io.StringIO(), False)):
            monkeypatch.setattr(sys, "stderr", screen)
            with make(quiet) as count:
                count(1)
                count(2)
            shown = screen.getvalue()
            assert (said in shown) == (isinstance(screen, Screen) and not quiet)
            assert bool(shown) == (said in shown)


def test_quiet_is_quiet_at_a_terminal_too(tmp_path):
    assert at_a_terminal("train", DATA / "reviews-test.csv", "-o", "m", *QUICK, "--quiet", folder=tmp_path) == ""


def test_skipped_rows_that_are_not_listed_are_found_by_what_the_command_has(tmp_path):
    rows = "".join(f"{mood} film {number},{mood}\n" for number in range(10) for mood in ("good", "bad"))
    (tmp_path / "t.csv").write_text("text,label\n" + rows + "too,many,cells\n" * 23)
    skip = ("--on-error", "skip")
    _, said = textclf("train", "t.csv", "-o", "m", *QUICK, *skip, folder=tmp_path)
    assert "t.csv: skipped: 3 more rows; --refused FILE or `textclf check` lists all." in said
    for command in (("compare", "m"), ("explain", "m", "-i")):
        _, said = textclf(*command, "t.csv", *skip, folder=tmp_path)
        assert "t.csv: skipped: 3 more rows; `textclf check` lists all." in said
