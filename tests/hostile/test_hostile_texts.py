"""Texts that are empty, endless, spelt oddly, or meant for a terminal, a page or a pattern: X01 to X06."""

import json
import re
import time
import unicodedata

import pytest
from hostile import MODEL, accepted, long_running, within


def predicted(*texts):
    lines = accepted("predict", MODEL, "--json", "--", *texts).out.splitlines()
    return [json.loads(line) for line in lines]


NOTHING_KNOWN = ["", " ", " \t\u3000", "qwx zzv", "🙂", "\0", "١٢٣", "§" * 50]


@pytest.mark.parametrize("text", NOTHING_KNOWN, ids=[f"X01 {ascii(text)[:20]}" for text in NOTHING_KNOWN])
def test_a_text_without_evidence_gets_a_label_and_is_told_by_its_known_words(text):
    (answer,) = predicted(text)
    assert answer["known_words"] == 0
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=2e-6)
    assert "abstained" not in answer


LONG = {
    "X02 a million words": lambda millions: "good film " * int(millions * 500_000),
    "X02 a million words of their own": lambda millions: " ".join(f"w{n}" for n in range(int(millions * 1_000_000))),
    "X02 one word of 10 MB": lambda millions: "a" * int(millions * 10_000_000),
    "X02 10 MB of commas": lambda millions: "," * int(millions * 10_000_000),
    "X03 accents on a letter": lambda millions: "a" + "\u0301" * int(millions * 100_000),
}
SHARES = [pytest.param(0.1, id="a tenth"), pytest.param(1.0, id="whole", marks=long_running)]


@pytest.mark.parametrize("millions", SHARES)
@pytest.mark.parametrize("make", LONG.values(), ids=LONG)
def test_a_long_text_is_labelled_in_bounded_time_and_memory(make, millions, tmp_path):
    text = make(millions)
    (tmp_path / "t.csv").write_text(f'text\n"{text}"\n')
    with within(60, megabytes=150 * max(len(text), 10**6) / 1e6):
        outcome = accepted("predict", MODEL, "-i", tmp_path / "t.csv", "-o", tmp_path / "o.csv", "--quiet")
    assert outcome.err == ""
    assert (tmp_path / "o.csv").read_text().startswith(f'text,label,confidence\n"{text[:1000]}')


SPELT = ["café naïve Ångström", "한국어", "ｆｉｌｍ", "👩‍👩‍👧 film", "\u202efilm\u202c", "שלום film", "ﬁlm", "İstanbul"]


@pytest.mark.parametrize("text", SPELT, ids=[f"X03 {ascii(text)[:24]}" for text in SPELT])
def test_composed_and_decomposed_spellings_are_one_text(text):
    first, second = predicted(unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    assert first["probabilities"] == second["probabilities"]
    assert first["known_words"] == second["known_words"]


COMMANDS = [
    "\ud800",
    "a\0b",
    "a\u2028b",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "\u202eabc",
    "\ufeffa",
    "\x7f\x08",
]


@pytest.mark.parametrize("text", COMMANDS, ids=[f"X04 {ascii(text)[:20]}" for text in COMMANDS])
def test_what_a_terminal_would_obey_is_spelt_out(text):
    for options in ([], ["--json"], ["--top-k", "2"]):
        assert len(accepted("predict", MODEL, *options, "--", text).out.splitlines()) == 1
        if "--top-k" not in options:
            accepted("explain", MODEL, *options, "--", text)


MARKUP = [
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%s%n",
    "{}",
    "${x}",
    "../../etc/passwd",
    "'\" onload=x",
    "</title>",
    "$(id)",
]


def assert_inert(page):
    content = page.read_text("utf-8")
    assert "<script" not in re.sub(r"&lt;script", "", content)
    assert "49" not in re.findall(r"alt=\"([^\"]*)\"", content)
    assert "' onload" not in content.replace("&#39;", "")
    assert "<title></title>" not in content


@pytest.mark.parametrize("text", MARKUP, ids=[f"X05 {text}" for text in MARKUP])
def test_markup_in_a_text_is_text_in_lines_and_in_an_explanation(text, tmp_path):
    text = f"see {text}"  # a name of a file alone is not taken for a sentence
    assert accepted("predict", MODEL, text).out.rstrip("\n").endswith(text)
    accepted("explain", MODEL, text, "--html", tmp_path / "e.html")
    assert_inert(tmp_path / "e.html")


def test_markup_in_texts_and_in_the_name_of_their_file_is_text_in_a_report(tmp_path):
    table = tmp_path / (" ".join(MARKUP).replace("/", "_") + ".jsonl")
    rows = [{"text": f"see {text}", "label": label} for text in MARKUP for label in ("negative", "positive")]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    accepted("evaluate", MODEL, table, "--report", tmp_path / "r.html")
    assert_inert(tmp_path / "r.html")


PATTERNS = {
    "X06 letters and a mark": lambda n: "a" * n + "!",
    "X06 apostrophes": lambda n: "a'" * (n // 2),
    "X06 blanks": lambda n: " " * n,
    "X06 hyphens": lambda n: "a-" * (n // 2) + "!",
    "X06 an address without an end": lambda n: "a@" + "b." * (n // 2),
    "X06 accents": lambda n: "a\u0301" * (n // 2),
}


@pytest.mark.parametrize("make", PATTERNS.values(), ids=PATTERNS)
def test_a_text_made_for_patterns_takes_time_in_proportion(make):
    from textclf.model.model import Model

    model = Model.load(MODEL)

    def seconds(n):
        text, best = make(n), float("inf")
        for _ in range(3):
            started = time.process_time()
            model.predict([text])
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(100_000), seconds(400_000)
    assert large < 4 * 4 * max(small, 0.01)  # in proportion: 4; squared: 16 and more
