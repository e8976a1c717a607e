"""What the documents say is so: commands run, quoted lines stand in the code, links lead somewhere."""

import os
import re
import runpy
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from calls import captured

from textclf.cli import COMMANDS, LazyGroup
from textclf.cli.app import run

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "models" / "README.md",
]


def steps(page):
    """Return a page's commands, each with the output that it shows."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    parts = [part.partition("\n") for block in blocks for part in block.removeprefix("$ ").split("\n$ ")]
    return [(command, output) for command, _, output in parts]


def programs(page):
    """Return a page's programs in Python and JavaScript by the name in their first line."""
    found = re.findall(r"```(?:python|js)\n(?:#|//) (\w+\.(?:py|mjs))\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return dict(found)


def without_numbers(text):
    """Blank out digits and widths: the last digits of a figure may differ from one build of NumPy to another."""
    return [re.sub(r"[\d.,]+", "#", " ".join(line.split())) for line in text.strip().splitlines() if line.strip()]


def furnish(folder):
    """Give a folder what a reader has: the data, textclf and Python."""
    (folder / "data").symlink_to(ROOT / "data")
    for name, arguments in (("textclf", "-m textclf"), ("python3", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (folder / name).chmod(0o755)


@pytest.fixture
def place(tmp_path):
    """Make a folder as a reader has it; what is left running there is ended."""
    furnish(tmp_path)
    yield tmp_path
    if (tmp_path / "serve.pid").exists():
        with suppress(ProcessLookupError):
            os.kill(int((tmp_path / "serve.pid").read_text()), signal.SIGKILL)


@pytest.fixture(scope="session")
def readme_place(tmp_path_factory):
    """Return a folder in which the README's commands were run: how-to pages go on from there."""
    folder = tmp_path_factory.mktemp("readme")
    furnish(folder)
    follow(ROOT / "README.md", folder)
    return folder


CALL = re.compile(r"(textclf|python3) ([^|<>&$;]*?)( \| .*| > [\w.-]+)?")
"""A call that this process can do itself, and where its output goes."""


def run_program(arguments):
    """Run a program in Python as one that is called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        runpy.run_path(arguments[0], run_name="__main__")
    return 0


def run_shell(command, folder, environment, given=""):
    """Run a command in a shell on what is given; return its exit code, and what it said on both streams."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    return done.returncode, done.stderr, done.stdout


def run_step(command, folder, environment):
    """Run a command of a page; return its exit code, and what it said on both streams."""
    call = CALL.fullmatch(command)
    if call is None:
        return run_shell(command, folder, environment)
    program, arguments, rest = call.groups()
    words = shlex.split(arguments)
    done = captured(lambda: run(words) if program == "textclf" else run_program(words), folder=folder)
    if done.code or not rest:
        return done.code, done.err, done.out
    code, said, written = run_shell(f"cat {rest}", folder, environment, done.out)
    return code, done.err + said, written


def follow(page, place):
    """Run what a page says, hold what comes out to what it shows, and return the commands."""
    for name, program in programs(page).items():
        (place / name).write_text(program, "utf-8")
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for command, shown in steps(page):
        code, said, written = run_step(command.replace("8000", port), place, environment)
        assert code == 0, (command, said)
        if shown.strip():
            assert without_numbers(said + written) == without_numbers(shown), command
    return [command for command, _ in steps(page)]


def test_the_readmes_tour_runs_and_prints_what_it_shows(readme_place):
    assert len(steps(ROOT / "README.md")) == 8
    assert (readme_place / "labelled.csv").read_text("utf-8").startswith("text,label,label_2,confidence\n")
    assert (readme_place / "wrong.csv").exists()


WITH_A_TEST_OF_THEIR_OWN = {"columns.md", "few_labels.md", "from_fasttext.md", "from_scikit_learn.md"}


def test_the_how_to_pages_run_with_the_readmes_models(readme_place, place, workers_in_threads):
    for model in readme_place.glob("*.safetensors"):
        (place / model.name).symlink_to(model)
    pages = [page for page in DOCUMENTS if page.parent.name == "how-to" and page.name not in WITH_A_TEST_OF_THEIR_OWN]
    if shutil.which("node") is None:
        pages = [page for page in pages if page.name != "anywhere.md"]
    assert sum(len(follow(page, place)) for page in pages) >= 10


def test_the_tutorial_leads_from_raw_rows_to_a_service(place):
    commands = follow(ROOT / "docs" / "tutorials" / "table_to_service.md", place)
    called = {found[1] for command in commands if (found := re.match(r"textclf (\w+)", command))}
    assert called == {"check", "train", "evaluate", "explain", "compare", "predict", "export", "serve"}
    tables = [(place / name).read_text("utf-8").splitlines() for name in ("clean.csv", "corrected.csv", "served.csv")]
    assert [len(lines) for lines in tables] == [801, 801, 201]
    asked = (ROOT / "data" / "reviews-train.csv").read_text("utf-8").splitlines()
    wrong = [sum(a != b for a, b in zip(asked, lines, strict=True)) for lines in tables[:2]]
    assert wrong[0] == 80
    assert wrong[1] < 40, "most labels that were turned are found and put right"
    assert "<html" in (place / "report.html").read_text("utf-8")


def test_the_page_on_few_labels_names_labels_from_the_shell_and_from_python(place):
    commands = follow(ROOT / "docs" / "how-to" / "few_labels.md", place)
    assert "python3 few.py" in commands


def test_the_tutorial_on_labelling_ends_with_a_classifier(place):
    commands = follow(ROOT / "docs" / "tutorials" / "labelling.md", place)
    called = {found[1] for command in commands if (found := re.match(r"textclf (\w+)", command))}
    assert called == {"label", "train", "evaluate", "suggest"}
    labelled, first, following = (
        (place / name).read_text("utf-8").splitlines() for name in ("labelled.csv", "first.csv", "next.csv")
    )
    assert [len(labelled), len(first), len(following)] == [121, 51, 51]


def test_a_reader_who_comes_from_fasttext_keeps_the_files(place):
    follow(ROOT / "docs" / "how-to" / "from_fasttext.md", place)
    assert (place / "reviews.train").read_text("utf-8").count("__label__") == 800


def test_a_reader_who_comes_from_scikit_learn_sees_both_run(place):
    commands = follow(ROOT / "docs" / "how-to" / "from_scikit_learn.md", place)
    page = ROOT / "docs" / "how-to" / "from_scikit_learn.md"
    assert list(programs(page)) == ["before.py", "after.py"]
    assert {f"python3 {name}" for name in programs(page)} < set(commands)


def test_the_page_on_columns_runs_in_the_shell_and_in_python(place):
    page = ROOT / "docs" / "how-to" / "columns.md"
    follow(page, place)
    scripts = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    (place / "last.py").write_text(scripts[-1], "utf-8")
    done = captured(lambda: run_program(["last.py"]), folder=place)
    assert done.out.startswith("returned [('colour', ")


def test_the_page_on_many_machines_runs_here_and_shows_what_the_simulation_prints(place, workers_in_threads):
    page = ROOT / "docs" / "results" / "scale.md"
    follow(page, place)
    assert len((place / "labelled" / "manifest.json").read_text("utf-8")) > 0
    for rest, shown in re.findall(
        r"    python (benchmarks/scale_training\.py simulate[^\n]*)\n\n```text\n(.*?)```",
        page.read_text("utf-8"),
        re.DOTALL,
    ):
        done = subprocess.run(
            [sys.executable, *rest.split()], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
        )
        assert done.stdout == shown


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    targets = re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_example_prints_what_the_page_shows():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "explanation" / "backpropagation_example.py"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    page = (ROOT / "docs" / "explanation" / "backpropagation.md").read_text("utf-8")
    assert f"```text\n{done.stdout}```" in page


def test_every_line_of_code_that_the_page_quotes_stands_in_the_code():
    page = (ROOT / "docs" / "explanation" / "backpropagation.md").read_text("utf-8")
    names = ("nn/network", "nn/optim", "text/subwords", "training/minibatch", "training/objective")
    code = {
        line.strip() for name in names for line in (ROOT / "textclf" / f"{name}.py").read_text("utf-8").splitlines()
    }
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


def headings(page):
    """Return what the headings of a page are linked by."""
    found = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_into_a_page_lead_to_headings_that_are_there(document):
    for target, heading in re.findall(r"\]\((?!https:)([^)#]*)#([^)]+)\)", document.read_text("utf-8")):
        page = document.parent / target if target else document
        assert heading in headings(page), f"{target}#{heading}"


def textclf_lines(page):
    """Return the calls of textclf in a page's blocks of code, those of one line."""
    blocks = re.findall(r"^(?:    \$? ?|\$ )(textclf .*)$", page.read_text("utf-8"), re.MULTILINE)
    return [re.split(r" [|>&#] ?| 2>", line)[0] for line in blocks if not line.endswith("\\") and "[" not in line]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_call_that_a_page_shows_is_one_that_the_program_understands(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights.json").write_text('{"spam": 5, "ham": 1}', "utf-8")  # read as soon as the option is
    Path("names.json").write_text('{"spam": "money"}', "utf-8")
    for line in textclf_lines(document):
        words = shlex.split(line)[1:]
        name = f"textclf {words.pop(0)}"
        while name not in EVERY:
            name = f"{name} {words.pop(0)}"
        if not {"--config", "--print-config", "--help"} & set(words):
            EVERY[name].make_context(name, words)


def options():
    """Return every option of every command."""
    return {opt for command in EVERY.values() for p in command.params for opt in (*p.opts, *p.secondary_opts)}


def pages_of_use():
    """Return the pages that tell a user what to call; pages of results name options of benchmarks, too."""
    return [page for page in DOCUMENTS if page.parent.name in ("tutorials", "how-to", "reference")]


@pytest.mark.parametrize("page", pages_of_use(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_that_the_pages_name_exists(page):
    text = re.sub(
        r"\b(curl|uvicorn|uvx|docker run|python benchmarks/\S+) (.*\\\n)*.*", "", page.read_text("utf-8")
    )  # options of other programs
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - options() <= {"--help", "--reload", "--version"}
