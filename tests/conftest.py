"""What every test can rely on: random tests that are the same at every run, and a cache folder of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomized, so that a test that passes today passes tomorrow; without deadlines, because machines are shared.
settings.register_profile(
    "textclf", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
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
