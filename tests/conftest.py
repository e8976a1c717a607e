"""What every test can rely on: random tests that are the same at every run, and a cache folder of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Compiled loops are kept from one test run to the next: compiling them takes ten seconds.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "numba"))

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
