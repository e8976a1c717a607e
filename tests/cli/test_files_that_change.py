"""A model whose file is removed or written over while a command runs is the one that was loaded, in all it says."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from calls import textclf

from textclf.model.file import read_model

ROWS = "text,label\n" + "".join(f"good film {n},up\nbad film {n},down\n" for n in range(20))
QUICK = ("--vectors", "none", "--recipe", "fast", "-q")


@dataclass(frozen=True)
class Place:
    """A folder with the model `m`, and what that is before and after a command has loaded it; None: nothing."""

    folder: Path
    before: bytes
    after: bytes | None

    def run(self, *arguments, code=0):
        """Run a command on the model, whose file is another as soon as it has been read; return what it said."""
        (self.folder / "m").write_bytes(self.before)
        return textclf(*arguments, folder=self.folder, code=code)

    @property
    def digest(self):
        """The SHA-256 of the file that is loaded."""
        return hashlib.sha256(self.before).hexdigest()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a folder with two models and tables."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "many").mkdir()
    for name in ("rows.csv", "many/a.csv"):
        (folder / name).write_text(ROWS)
    for name, seed in (("m", 1), ("other", 2)):
        textclf("train", "rows.csv", "-o", name, *QUICK, "--seed", seed, folder=folder)
    return folder


@pytest.fixture(params=["removed", "written over"])
def place(models, monkeypatch, request):
    """Return the folder, where the model's file changes so once it has been read."""
    after = None if request.param == "removed" else (models / "other").read_bytes()
    found = Place(models, (models / "m").read_bytes(), after)

    def read_once(path, **options):
        file = read_model(path, **options)
        if path.name == "m" and after is None:
            path.unlink()
        elif path.name == "m":
            path.write_bytes(after)
        return file

    monkeypatch.setattr("textclf.model.model.read_model", read_once)
    yield found
    (models / "m").write_bytes(found.before)


def test_info_tells_the_size_and_the_checksum_of_the_file_that_it_read(place):
    out, _ = place.run("info", "m", "--json")
    assert json.loads(out)["bytes"] == len(place.before)
    place.run("info", "m", "--card", "card.md")
    assert place.digest in (place.folder / "card.md").read_text()


@pytest.mark.parametrize("target", ["small.safetensors", "m.js", "m.html"])
def test_an_export_names_the_file_that_it_was_made_of(place, target):
    out, _ = place.run("export", "m", "-o", target, "--quantize", "int8", "--json")
    said = json.loads(out)
    assert said["bytes_before"] == len(place.before)
    assert said["source"] == place.digest


@pytest.mark.parametrize("command", [("evaluate", "m", "rows.csv"), ("compare", "m", "other", "rows.csv")])
def test_a_report_names_the_file_that_was_measured(place, command):
    place.run(*command, "--report", "r.html", "-q")
    assert place.digest in (place.folder / "r.html").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "m", "-i", "rows.csv", "-o", "out.csv", "-q"),
        ("explain", "m", "a good film", "--like", "rows.csv"),
        ("suggest", "m", "rows.csv", "-n", "5", "-o", "out.csv", "--vectors", "none", "-q"),
        ("train", "rows.csv", "--init-from", "m", "-o", "more", "-q"),
    ],
)
def test_other_commands_need_the_file_no_more_once_it_is_loaded(place, command):
    place.run(*command)


@pytest.mark.parametrize("command", [("predict", "m", "-i", "many", "-o", "out", "-q"), ("evaluate", "m", "many")])
def test_many_files_are_worked_on_by_the_model_that_the_run_began_with_or_not_at_all(place, command):
    _, err = place.run(*command, code=1)
    expected = "found nothing" if place.after is None else "the model that the run began with, found another"
    assert expected in err
    assert not list((place.folder / "out").glob("*.csv"))
