"""Every case of the list has a test, and each run of the suite runs it."""

import re
from pathlib import Path

import pytest

CASES = {"V": 38, "T": 34, "M": 13, "X": 6, "A": 12, "H": 15}
NUMBERS = [f"{letter}{number:02}" for letter, count in CASES.items() for number in range(1, count + 1)]
PATTERN = r"(?<![A-Za-z0-9])([VTMXAHvtmxah]\d\d)(?![0-9])"


def test_every_number_of_the_list_stands_in_the_name_of_a_test_that_is_run(request):
    folder = Path(__file__).parent
    here = [item for item in request.session.items if item.path.parent == folder]
    if {item.path for item in here} < set(folder.glob("test_*.py")):
        pytest.skip("not the whole folder is run")
    names = {found.upper() for item in here for found in re.findall(PATTERN, item.name)}
    assert [number for number in NUMBERS if number not in names] == []
    assert len(NUMBERS) == 118


def test_the_documents_name_every_number_too():
    document = (Path(__file__).parent.parent.parent / "docs" / "results" / "reliability.md").read_text("utf-8")
    named = {
        number
        for row in re.findall(r"^\| ([VTMXAH]\d\d[^|]*) \|", document, re.MULTILINE)
        for number in row.split(", ")
    }
    assert named == set(NUMBERS)
