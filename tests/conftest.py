"""What every test can rely on: random tests that are the same at every run, and a cache folder of their own."""

import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Derandomized, so that a test that passes today passes tomorrow; without deadlines, because machines are shared.
settings.register_profile(
    "textclf",
    derandomize=True,
    deadline=None,
    max_examples=100 if os.environ.get("TEXTCLF_SOAK") else 50,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)
settings.load_profile("textclf")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep converted vectors in a folder of the test run, not in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLF_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture
def write(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Return what writes a table and gives its path; without a name it is the module's `DEFAULT_NAME`, or t.csv."""
    default = getattr(request.module, "DEFAULT_NAME", "t.csv")

    def write(content: str | bytes, name: str = default) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes columns to a Parquet file and gives its path."""
    import polars as pl

    def parquet(columns: dict[str, object], name: str = "t.parquet") -> Path:
        path = tmp_path / name
        pl.DataFrame(columns).write_parquet(path)
        return path

    return parquet


@pytest.fixture(scope="session")
def common_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of the starter's vectors of its 2,000 commonest words."""
    from textclf.vectors import WordVectors, open_vectors, save_word2vec

    starter = open_vectors("starter")
    few = WordVectors(starter.words[:2000], starter.matrix[:2000], "few", "0" * 64, "word2vec binary")
    path = tmp_path_factory.mktemp("vectors") / "few.bin"
    save_word2vec(few, path)
    return path


@pytest.fixture(scope="module")
def small_starter(common_words: Path) -> Iterator[None]:
    """Let the starter be a thirtieth of itself, where what it knows is not the point: a training goes through it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textclf.vectors.open.starter_path", lambda: common_words)
        yield


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report's pictures be empty, where what it says is the point: drawing them takes most of its time."""
    monkeypatch.setattr("textclf.report.plots.draw", lambda *_, **_words: "<svg></svg>")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Give the browser of all tests: to start it takes longer than most of them."""
    opened = pytest.importorskip("browsers").open_browser()
    yield opened
    opened.quit()


@pytest.fixture
def workers_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `--workers` start threads: what is particular to processes is for the tests of tests/distributed."""
    import distributed

    cluster = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: cluster(**{**options, "processes": False}))


@pytest.fixture
def counted_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `tune` look at a clock that goes on 4 s at each look: 30 s are the plain recipe and one proposal."""
    import textclf.training.search

    looks = itertools.count(time.monotonic() + 600, step=4)  # a worker has 600 s more on the true clock
    tools = functools.partial(textclf.training.search.SearchTools, clock=lambda: next(looks))
    monkeypatch.setattr(textclf.training.search, "SearchTools", tools)
