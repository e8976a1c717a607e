"""Texts are cut once and gone through alike wherever their tokens are kept."""

import pytest

from textclf.storage.array_store import IN_MEMORY, ArrayStore
from textclf.text.subwords import Spelling, piece_keys
from textclf.text.tokenizer import tokenize
from textclf.training.tokenized_corpus import TokenBlock, TokenizedCorpus


@pytest.mark.parametrize("spelled", [False, True])
@pytest.mark.parametrize("budget", [0, 20_000, None])
def test_texts_are_gone_through_alike_and_cut_once_wherever_their_tokens_are_kept(budget, spelled, monkeypatch):
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 1000)
    monkeypatch.setattr("textclf.training.tokenized_corpus._MOST_SPELLINGS", 3)
    cut = []
    monkeypatch.setattr(
        "textclf.training.tokenized_corpus.tokenize", lambda texts: cut.append(len(texts)) or tokenize(texts)
    )
    texts = [f"text {i} of some {i % 7} others... 好 :-)" for i in range(300)]
    corpus = TokenizedCorpus(texts, 2, ArrayStore(budget), spelled=spelled)

    def keys(block):
        numbers, pieces = piece_keys(block.tokens)
        return [list(block.texts), block.tokens.keys.tolist(), block.tokens.offsets.tolist(), numbers.tolist(),
                pieces.tolist()]  # fmt: skip

    first = list(corpus.each(keys))
    assert list(corpus.each(keys)) == list(corpus.each(keys)) == first
    assert [text for block in first for text in block[0]] == texts
    assert sum(cut) == len(texts) == len(corpus)
    assert len(cut) == len(first) > 1
    if spelled:
        whole = Spelling.of_tokens(tokenize(texts))
        assert corpus.spelling.index.keys.tolist() == whole.index.keys.tolist()
        assert corpus.spelling.strings(whole.index.keys) == whole.strings(whole.index.keys)


def test_no_texts_are_one_block_without_any():
    corpus = TokenizedCorpus([], 1, IN_MEMORY, spelled=True)
    for _ in range(2):
        blocks = list(corpus.each(lambda block: block))
        assert [len(block.tokens) for block in blocks] == [0]
        assert all(isinstance(block, TokenBlock) for block in blocks)
    assert len(corpus.spelling) == 0
