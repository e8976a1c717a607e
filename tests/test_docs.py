"""What the documents say is so: commands run, quoted lines stand in the code, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from textclf.cli import COMMANDS, LazyGroup

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "README.md"]


def steps():
    """Return the README's commands, each with the output that it shows."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    parts = [part.partition("\n") for block in blocks for part in block.removeprefix("$ ").split("\n$ ")]
    return [(command, output) for command, _, output in parts]


def without_numbers(text):
    """Blank out digits and widths: the last digits of a figure may differ from one build of NumPy to another."""
    return [re.sub(r"[\d.,]+", "#", " ".join(line.split())) for line in text.strip().splitlines() if line.strip()]


def test_the_readmes_tour_runs_and_prints_what_it_shows(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "textclf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m textclf "$@"\n')
    (tmp_path / "textclf").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    tour = steps()
    assert len(tour) == 8
    for command, shown in tour:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        if shown.strip():
            assert without_numbers(done.stderr + done.stdout) == without_numbers(shown), command
    assert (tmp_path / "labelled.csv").read_text("utf-8").startswith("text,label,label_2,confidence\n")
    assert (tmp_path / "wrong.csv").exists()


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    targets = re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_example_prints_what_the_page_shows():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "backpropagation_example.py"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    page = (ROOT / "docs" / "backpropagation.md").read_text("utf-8")
    assert f"```text\n{done.stdout}```" in page


def test_every_line_of_code_that_the_page_quotes_stands_in_the_code():
    page = (ROOT / "docs" / "backpropagation.md").read_text("utf-8")
    code = {line.strip() for name in ("network", "optim", "training", "joint")
            for line in (ROOT / "textclf" / f"{name}.py").read_text("utf-8").splitlines()}  # fmt: skip
    quoted = [line for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(quoted) >= 10
    assert [line for line in quoted if line not in code] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(document):
    for target in re.findall(r"\]\(([^)#]+?)\)", document.read_text("utf-8")):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def commands(group, name="textclf"):
    """Yield every command with its name, those of groups within groups too."""
    context = click.Context(group)
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {child}")
        else:
            yield f"{name} {child}", command


EVERY = dict(commands(LazyGroup("textclf")))


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_has_a_word_of_help(name):
    command = EVERY[name]
    assert command.help
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_the_one_line_helps_are_the_commands_own():
    for name, (_, text) in COMMANDS.items():
        command = LazyGroup("textclf").get_command(None, name)
        assert command.short_help == text


@pytest.mark.parametrize("name", ["usage.md"])
def test_every_option_that_the_pages_name_exists(name):
    options = {opt for command in EVERY.values() for p in command.params for opt in (*p.opts, *p.secondary_opts)}
    text = (ROOT / "docs" / name).read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - options <= {"--help"}
