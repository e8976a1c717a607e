"""``textclf vectors``: look into, train and cache word vectors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import counting_rows, json_line, report_table, say, warn
from textclf.cli.options import (
    FILE,
    INPUT,
    CommandGroup,
    ReadingOptions,
    check_outputs,
    json_option,
    locate_table,
    quiet_option,
    section,
    table_options,
    takes,
)
from textclf.errors import say_count, spell

if TYPE_CHECKING:
    from textclf.vectors.word2vec import Word2VecSettings

_SAMPLE = 10


@click.group("vectors", cls=CommandGroup, short_help="Inspect, train and cache word vectors.")
def command() -> None:
    """Inspect, train and cache word vectors."""


@command.command("info")
@click.argument("source", metavar="FILE|NAME")
@section(
    "Output",
    click.option("--nearest", multiple=True, metavar="WORD", help="Show the nearest words of WORD; repeatable."),
    click.option("--no-cache", is_flag=True, help="Do not use the cache of converted vectors."),
    json_option,
)
def info(source: str, nearest: tuple[str, ...], no_cache: bool, as_json: bool) -> None:
    """Show what a file of word vectors holds.

    \b
    textclf vectors info starter --nearest good
    """
    from textclf.vectors import nearest as nearest_words
    from textclf.vectors import open_vectors

    vectors = open_vectors(source, cache=not no_cache, say=say)
    facts: dict[str, Any] = {
        "name": vectors.name,
        "kind": vectors.kind,
        "words": len(vectors),
        "dimension": vectors.dimension,
        "cased": vectors.is_cased,
        "sha256": vectors.sha256,
        "first_words": list(vectors.words[:_SAMPLE]),
        "notes": list(vectors.notes),
    }
    if nearest:
        facts["nearest"] = {word: nearest_words(vectors, word, _SAMPLE) for word in nearest}
    if as_json:
        click.echo(json_line(facts))
        return
    for word, near in facts.pop("nearest", {}).items():
        facts[f"nearest to {word}"] = [f"{other} {cosine:.2f}" for other, cosine in near]
    for name, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        click.echo(f"{name.replace('_', ' ')}: {spell(text)}")


@dataclass(frozen=True, kw_only=True)
class VectorTrainingOptions(ReadingOptions):
    """Which corpus vectors are trained on, how, and where they go."""

    corpus: Path
    output: Path
    dimension: int
    window: int
    epochs: int
    min_count: int
    max_words: int | None
    cbow: bool
    negative: int
    bits: str
    seed: int
    workers: int
    quiet: bool

    @property
    def settings(self) -> "Word2VecSettings":
        """The settings as word2vec takes them."""
        from textclf.vectors.word2vec import Word2VecSettings

        return Word2VecSettings(
            dimension=self.dimension,
            window=self.window,
            epochs=self.epochs,
            min_count=self.min_count,
            most_words=self.max_words,
            skip_gram=not self.cbow,
            negative=self.negative,
            seed=self.seed,
            workers=self.workers,
        )


@command.command("train")
@click.argument("corpus", type=INPUT)
@section(
    "Output",
    click.option(
        "--output",
        "-o",
        type=FILE,
        required=True,
        metavar="FILE",
        help="File to write: .bin is binary, .vec and .txt are text; .gz after that compresses it.",
    ),
)
@section(
    "Training",
    click.option(
        "--dimension", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Dimension of the vectors."
    ),
    click.option(
        "--window", type=click.IntRange(1, 100), default=5, show_default=True, help="Context words on either side."
    ),
    click.option(
        "--epochs", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of training epochs."
    ),
    click.option(
        "--min-count", type=click.IntRange(1), default=5, show_default=True, help="Drop words that occur less often."
    ),
    click.option(
        "--max-words", type=click.IntRange(1), help="Keep only this many words, the most frequent. [default: all]"
    ),
    click.option("--cbow", is_flag=True, help="Train a continuous bag of words instead of skip-gram."),
    click.option(
        "--negative", type=click.IntRange(1, 100), default=5, show_default=True, help="Negative samples for each word."
    ),
    click.option(
        "--bits",
        type=click.Choice(["8", "32"]),
        default="32",
        show_default=True,
        help="Bits of a number: 8 rounds to a grid that compresses well.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=1,
        show_default=True,
        help="Random seed; it gives the same vectors with one worker.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Number of threads; with more than one, runs differ.",
    ),
    quiet_option,
)
@table_options(labelled=False)
@takes(VectorTrainingOptions)
def train_command(options: VectorTrainingOptions) -> None:
    """Train word vectors on CORPUS: plain text, a text a line (also .gz), or a table with a column of texts.

    \b
    textclf vectors train corpus.txt.gz -o vectors.bin.gz
    """
    from dataclasses import replace

    from textclf.vectors import check_format, save_word2vec, to_grid, train_vectors
    from textclf.vectors.open import require_gensim
    from textclf.vectors.word2vec import read_corpus

    quiet, output = options.quiet, options.output
    require_gensim("vectors train")
    check_format(output)
    check_outputs([options.corpus], output)
    with counting_rows("reading", quiet=quiet) as count:
        texts = read_corpus(locate_table(options.corpus), options.table_options(), progress=count)
    report_table(texts)
    say(f"{texts.name}: {say_count(len(texts), 'text')}, {say_count(texts.tokens, 'word')}; training", quiet=quiet)
    if options.workers > 1:
        warn("with more than one worker two runs give two results.")
    vectors = train_vectors(texts.sentences_of_words, options.settings, name=texts.name, sha256="")
    if options.bits == "8":
        vectors = replace(vectors, matrix=to_grid(vectors.matrix))
    save_word2vec(vectors, output)
    size = f"{vectors.dimension} dimensions, {output.stat().st_size / 1e6:.1f} MB"
    say(f"{spell(str(output))}: {say_count(len(vectors), 'word')}, {size}", quiet=quiet)


@command.group("cache")
def cache() -> None:
    """List or clear the vectors that were converted into the user's cache folder."""


@cache.command("list")
@section("Output", json_option)
def cache_list(as_json: bool) -> None:
    """List what the cache holds."""
    from textclf.vectors import cached_entries

    for entry in cached_entries():
        click.echo(json.dumps(vars(entry)) if as_json else f"{entry.size / 1e6:8.1f} MB  {spell(entry.name)}")


@cache.command("clear")
def cache_clear() -> None:
    """Remove all that the cache holds."""
    from textclf.vectors import clear_cache

    say(f"{clear_cache() / 1e6:.1f} MB removed")
