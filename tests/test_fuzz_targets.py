"""What `make fuzz` runs for minutes is run over its small corpus, and over cuts and random bytes, at each commit."""

import numpy as np
import pytest
from fuzz import CORPUS, TARGETS, attempt
from hypothesis import given, settings
from hypothesis import strategies as st

FILES = sorted(path for target in TARGETS for path in (CORPUS / target).iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_of_the_corpus_is_read_or_refused_whole_cut_and_changed(path):
    content, rng = path.read_bytes(), np.random.default_rng(0)
    attempt(path.parent.name, content)
    for _ in range(40):
        damaged = bytearray(content[: rng.integers(len(content) + 1)] if rng.random() < 0.5 else content)
        for place in rng.integers(max(len(damaged), 1), size=3).tolist():
            damaged[place : place + 1] = rng.bytes(1)
        attempt(path.parent.name, bytes(damaged))


@pytest.mark.parametrize("target", TARGETS)
@given(content=st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_are_read_or_refused(target, content):
    attempt(target, content)


def test_every_target_has_a_corpus():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
