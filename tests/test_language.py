"""What users read is plain: short sentences, the field's terms, words that are spelled right."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from textclf.cli import LazyGroup

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md", "models/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MODULES = sorted((ROOT / "textclf").rglob("*.py"))
LONGEST = 35
"""Words of a sentence."""
OLD = re.compile(
    r"weight penalt|freedom of|rows held out|fit(ted|ting)? once more|n-grams of (chars|characters)\b|words known\b"
    r"|rows? not used|who is taken for|confidence is worth|always the commonest|answered from|parted by|told from"
    r"|\bgo(es|ing)? on (from|with)\b|gone on|what it knows is held|tried out|now and then|side by side|hardly chance"
    r"|raised by Holm|models part on|passed over|pass over (such )?rows|cannot be used|\bmend(ed|s)?\b",
    re.IGNORECASE,
)
"""What is now called L2 regularization, n-gram scales, held-out rows, skipped rows, threshold, continue, …"""


def prose(text):
    """Return the paragraphs, list items and headings of a page of Markdown as plain text, without code and tables."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]+`", "code", text)
    lines = [line for line in text.splitlines() if not re.match(r"\s*\|| {4,}|\s*>", line)]
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )|\n(?=#)|(?<=\n)#+ ", "\n".join(lines))
    return [re.sub(r"^[\s*#>-]+|\*+", "", " ".join(block.split())) for block in blocks if block.strip()]


def sentences(paragraphs):
    """Return the sentences of paragraphs."""
    ends = r"(?<=[.!?])[”\"')]*\s+(?=[A-Z0-9“\"(`*])|(?<=:)\s+(?=\S+ \S+ \S+ \S+ \S+ \S+)"
    return [sentence for paragraph in paragraphs for sentence in re.split(ends, paragraph) if sentence]


def words(sentence):
    """Return the words of a sentence."""
    return re.findall(r"[A-Za-z][\w'’-]*", sentence)


def syllables(word):
    """Estimate the syllables of an English word by its groups of vowels."""
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    return max(groups - (word.lower().endswith("e") and not word.lower().endswith("le")), 1)


def readability(found):
    """Return Flesch reading ease and words per sentence."""
    count = sum(len(words(sentence)) for sentence in found)
    per_sentence = count / len(found)
    spoken = sum(syllables(word) for sentence in found for word in words(sentence))
    return 206.835 - 1.015 * per_sentence - 84.6 * spoken / count, per_sentence


def full_sentences(page):
    """Return the sentences of a page, without headings and bare names."""
    return [sentence for sentence in sentences(prose(page.read_text("utf-8"))) if len(words(sentence)) > 3]


def commands(group, name="textclf"):
    """Yield every command with its name."""
    for child in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), child)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {child}")
        else:
            yield f"{name} {child}", command


EVERY = dict(commands(LazyGroup("textclf")))


def help_sentences(command):
    """Return the sentences of a command's help: its own text, and each option's."""
    paragraphs = [part for part in (command.help or "").split("\n\n") if "\b" not in part]
    options = [p.help for p in command.params if isinstance(p, click.Option) and p.help]
    return sentences([" ".join(text.split()) for text in [*paragraphs, *options]])


def messages(module):
    """Return the strings of a module that are no docstrings: errors, warnings, help."""
    tree = ast.parse(module.read_text("utf-8"))
    docstrings = {
        id(body[0].value)
        for node in ast.walk(tree)
        if isinstance(body := getattr(node, "body", None), list)
        and body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
    }
    after = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | after
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sentence_of_a_page_can_be_read_in_one_breath(page):
    assert [sentence for sentence in full_sentences(page) if len(words(sentence)) > LONGEST] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_has_the_fields_terms(page):
    assert [found[0] for line in prose(page.read_text("utf-8")) if (found := OLD.search(line))] == []


def test_messages_have_the_fields_terms():
    found = {(module.name, match[0]) for module in MODULES for text in messages(module) if (match := OLD.search(text))}
    assert found == set()


@pytest.mark.parametrize("name", EVERY)
def test_help_is_phrases_that_stand_alone(name):
    command = EVERY[name]
    assert [sentence for sentence in help_sentences(command) if len(words(sentence)) > LONGEST] == []
    options = {p.name: p.help for p in command.params if isinstance(p, click.Option) and p.help}
    fragments = ("Of ", "From ", "Where ", "What ")
    assert {name: text for name, text in options.items() if text.startswith(fragments) or not text[0].isupper()} == {}


def test_pages_are_easy_to_read():
    ease, length = readability([sentence for page in PAGES for sentence in full_sentences(page)])
    assert ease >= 50
    assert length <= 18


def test_words_are_spelled_right():
    places = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "textclf", ROOT / "benchmarks"]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *map(str, places)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout == ""
