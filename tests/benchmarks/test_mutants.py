"""The program that damages files reads some of each kind, and finds no fault in them."""

import importlib.util
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "mutants.py"


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    spec = importlib.util.spec_from_file_location("mutants", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    outcomes = program.counted(kind, tmp_path, 1, 5)
    assert sum(outcomes.values()) == 5
    assert set(outcomes) <= {"refused", "same", "otherwise"}
