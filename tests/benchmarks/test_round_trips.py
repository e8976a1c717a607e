"""Random tables come back whole through every format and compression: a few of those that the program makes."""

import random

import pytest
from programs import load_program


@pytest.fixture(scope="module")
def program():
    return load_program("benchmarks/round_trips.py")


def test_random_tables_come_back_whole(program, tmp_path, monkeypatch):
    monkeypatch.setattr(program.reader_child, "_set_limits", lambda *_: None)
    for module in (program.parquet, program.excel):
        monkeypatch.setattr(module, "run_child", program.run_here)
    for name in program.FORMATS:
        for number in range(3):
            program.check(name, program.draw_table(random.Random(f"{name}/{number}")), tmp_path)


def test_a_format_that_loses_a_cell_is_noticed(program, tmp_path, monkeypatch):
    convert = program.convert

    def lose(source, target):
        convert(source, target)
        target.write_bytes(target.read_bytes().replace(b"abc", b"acc"))

    monkeypatch.setattr(program, "convert", lose)
    with pytest.raises(AssertionError, match="cells differ"):
        program.check("t.csv", [{"text": "abc", "label": "x"}], tmp_path)
