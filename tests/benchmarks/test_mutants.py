"""The program that damages files reads some of each kind, and finds no fault in them."""

import pytest
from programs import load_program


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    outcomes = load_program("benchmarks/mutants.py").counted(kind, tmp_path, 1, 5)
    assert sum(outcomes.values()) == 5
    assert set(outcomes) <= {"refused", "same", "otherwise"}
