"""``textclf vectors``: look into, train and cache word vectors."""

import json
from pathlib import Path
from typing import Any

import click

from textclf.cli.options import FILE, check_outputs, json_option, origin, quiet_option, read_options, table_options
from textclf.cli.output import json_line, report_table, say, warn
from textclf.cli.progress import counting_rows
from textclf.errors import shown

_SAMPLE = 10


@click.group("vectors", short_help="Look into, train and cache word vectors.")
def command() -> None:
    """Look into, train and cache word vectors."""


@command.command("info")
@click.argument("source", metavar="FILE|NAME")
@click.option("--nearest", multiple=True, metavar="WORD", help="Show the words that lie nearest to WORD; repeatable.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep converted vectors in the user's cache folder.")
@json_option
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
        click.echo(f"{name.replace('_', ' ')}: {shown(text)}")


@command.command("train")
@click.argument("corpus", type=FILE)
@click.option("--output", "-o", type=FILE, required=True, metavar="FILE", help="Where they go; .gz packs them.")
@click.option(
    "--dimension", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How long vectors are."
)
@click.option("--window", type=click.IntRange(1, 100), default=5, show_default=True, help="Words on either side.")
@click.option("--epochs", type=click.IntRange(1, 1000), default=5, show_default=True, help="Passes over the corpus.")
@click.option("--min-count", type=click.IntRange(1), default=5, show_default=True, help="Rarer words are left out.")
@click.option("--max-words", type=click.IntRange(1), help="Keep at most so many, the commonest. [default: all]")
@click.option("--cbow", is_flag=True, help="Continuous bag of words instead of skip-gram.")
@click.option("--negative", type=click.IntRange(1, 100), default=5, show_default=True, help="Noise words a word.")
@click.option(
    "--bits", type=click.Choice(["8", "32"]), default="32", show_default=True, help="8: on a grid, packs well."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Of one worker's random numbers."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Over 1: faster, not repeatable."
)
@table_options(labelled=False)
@quiet_option
def train(
    corpus: Path, output: Path, bits: str, cbow: bool, max_words: int | None, quiet: bool, **settings: Any
) -> None:
    """Train word vectors on CORPUS: plain text, a text a line (also .gz), or a table with a column of texts.

    \b
    textclf vectors train corpus.txt.gz -o vectors.bin.gz
    """
    from dataclasses import replace

    from textclf.vectors import save_word2vec, to_grid, train_vectors
    from textclf.vectors.corpus import read_corpus
    from textclf.vectors.train import Word2VecSettings

    options = read_options(settings)
    check_outputs([corpus], output)
    with counting_rows("reading", quiet=quiet) as count:
        texts = read_corpus(origin(corpus), options, progress=count)
    report_table(texts.name, texts.refused, texts.sentences)
    say(f"{texts.name}: {len(texts):,} texts, {texts.tokens:,} words; training", quiet=quiet)
    chosen = Word2VecSettings(most_words=max_words, skip_gram=not cbow, **settings)
    if chosen.workers > 1:
        warn("with more than one worker two runs give two results.")
    vectors = train_vectors(texts.sentences_of_words, chosen, name=texts.name, sha256="")
    if bits == "8":
        vectors = replace(vectors, matrix=to_grid(vectors.matrix))
    save_word2vec(vectors, output)
    size = output.stat().st_size / 1e6
    say(f"{shown(str(output))}: {len(vectors):,} words, {vectors.dimension} dimensions, {size:.1f} MB", quiet=quiet)


@command.group("cache")
def cache() -> None:
    """List or clear the vectors that were converted into the user's cache folder."""


@cache.command("list")
@json_option
def cache_list(as_json: bool) -> None:
    """List what the cache holds."""
    from textclf.vectors import cached_entries

    for entry in cached_entries():
        click.echo(json.dumps(vars(entry)) if as_json else f"{entry.size / 1e6:8.1f} MB  {shown(entry.name)}")


@cache.command("clear")
def cache_clear() -> None:
    """Remove all that the cache holds."""
    from textclf.vectors import clear_cache

    say(f"{clear_cache() / 1e6:.1f} MB removed")
