"""Texts packed into one run of bytes come back as they were."""

import pytest

from textclf.storage.array_store import ArrayStore

BUDGETS = [None, 0, 40]


@pytest.mark.parametrize("budget", BUDGETS)
def test_texts_come_back_one_by_one_in_slices_and_in_turn(budget):
    texts = ["", "a", "größer 🎉", "new\nline", ""]
    kept = ArrayStore(budget).strings([texts[:2], [], texts[2:]])
    assert list(kept) == texts == [kept[i] for i in range(5)]
    assert [list(kept[places]) for places in (slice(1, 4), slice(3, 1), slice(None, None, 2))] == [
        texts[1:4], [], texts[::2],
    ]  # fmt: skip
    assert kept[-1] == ""
    assert kept.lengths().tolist() == kept[:].lengths().tolist() == [0, 1, 8, 8, 0]
    assert list(kept[2:][1:2]) == ["new\nline"]
