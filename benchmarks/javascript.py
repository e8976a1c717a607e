"""A model in JavaScript beside the same model in Python: do they agree on hostile texts, and how fast are they.

    python benchmarks/javascript.py MODEL… --texts TABLE [--count 550] [--quantize int8|none]

Each MODEL is exported as `textclf export -o NAME.js` does it, and run in Node and, where selenium, Chromium and its
driver are there, in Chromium. The table has a row for each: the largest difference of a probability and of a share of
an explanation over `--count` hostile texts, how many of these get other tokens, labels or numbers of known words, the
sizes in MB, and texts a second (the first time, and the best of five more) over the texts of TABLE.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from textclf.explain import explain
from textclf.export import shrink, write_javascript
from textclf.model.decision import DecisionSettings
from textclf.model.model import Model
from textclf.tables import TableOptions, open_table
from textclf.text.tokenizer import tokenize

DRIVER = Path(__file__).with_suffix(".mjs")
_MOST_TIMED = 5_000

_ODD = [
    "", " \n\t ", "İSTANBUL ΣΟΦΟΣ ΑΣ'Α Σ.Σ", "Don’t! it's 'good' a''b",
    "CAFÉ cafe\u0301 J\u030c", "👩‍👩‍👧 👍🏽 ☺️", "好看的电影。 ก็ดี ខ្មែរ",
    "a\u200bb\u00adc\u200dd", "\x00\x1f\x7f\x85\xa0", "¿bad? 3.5/10 ½ $5 ٣٫٥", "\ud800 x \udfff",
    "\U0010ffff a\U0010ffffb",
    "<script>alert(1)</script> {{7*7}} %s", "x\u0301\u0327\u0301" * 30, "a" * 5000, "," * 5000, "good film " * 800,
    "ﬁlm ｆｉｌｍ Ⅻ ⓐⒷ", "__proto__ constructor toString", "\u0345\u0301 \u1fbe Ǆ ǅ ŉ ẞ ſ K Å",
    "\u1100\u1161\u11a8 \uac01",
    "\u2260 =\u0338 \u037e \u0387 \u1fef", "\ua7cb\ua7dc \U00010d50 \U00016ea0",
]  # fmt: skip
_MARKS = [
    "",
    "",
    " ",
    "'",
    "’",
    "-",
    "!",
    "!!",
    "...",
    "\u0301",
    "\u200d",
    "\n",
    "  ",
    "?!",
    ":)",
    "\U0001f600",
    "\u00ad",
    "#",
    "@",
]
_RANGES = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x600), (0x900, 0x1100), (0x1E00, 0x2C00), (0x3000, 0x3400),
           (0xA640, 0xAC00), (0xFB00, 0xFFFE), (0x10000, 0x20000), (0xE0100, 0xE0200), (0x0, 0xD800)]  # fmt: skip


def hostile_texts(words: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Return odd texts, then words between odd marks in odd letters, then code points at random."""
    texts = list(_ODD[:count])
    while len(texts) < count:
        pieces = []
        for _ in range(int(rng.integers(1, 30))):
            word = str(rng.choice(words)) if rng.random() < 0.7 else _random_codes(rng)
            shapes = (word, word.upper(), word.title(), word.replace("a", "a\u0308"), word[::-1])
            pieces += [shapes[int(rng.integers(0, len(shapes)))], _MARKS[int(rng.integers(0, len(_MARKS)))]]
        texts.append((" " if len(texts) % 3 else "").join(pieces))
    return texts


def _random_codes(rng: np.random.Generator) -> str:
    low, high = _RANGES[int(rng.integers(0, len(_RANGES)))]
    return "".join(map(chr, rng.integers(low, high, int(rng.integers(1, 8))).tolist()))


def differences(
    model: Model, texts: Sequence[str], told: Sequence[dict[str, Any]], precision: float | None
) -> dict[str, float]:
    """Return the largest difference of a probability and of a contribution, and how many texts differ in the rest."""
    predictions = model.predict(texts)
    tokens = tokenize(texts)
    strings = tokens.strings(range(len(tokens.keys)))
    cut = [
        strings[first:last] for first, last in zip(tokens.offsets.tolist(), tokens.offsets[1:].tolist(), strict=False)
    ]
    answered = np.ones(len(texts), np.bool_)
    if precision is not None:
        answered = replace(predictions, decision=model.decide(DecisionSettings(target_precision=precision))).answered
    given = model.label_sets(predictions.given)
    others = 0
    for number, said in enumerate(told):
        labels = list(given[number]) if answered[number] else []
        others += (
            said["tokens"] != cut[number]
            or said["labels"] != labels
            or said["abstained"] == answered[number]
            or said["knownWords"] != predictions.known[number]
        )
    contributions = 0.0
    for said, one in zip(told, [] if model.is_multi_label else explain(model, texts), strict=False):
        found = said["explanation"]
        if [part["text"] for part in found["parts"]] != [part.string for part in one.parts]:
            others += 1
            continue
        pairs = zip(found["parts"], one.parts, strict=True)
        apart = [abs(found["score"] - one.score), abs(found["base"] - one.base)]
        contributions = max(
            contributions, *apart, *(abs(part["contribution"] - other.contribution) for part, other in pairs)
        )
    P = np.array([said["P"] for said in told])
    return {
        "probability": float(np.abs(P - predictions.P).max()),
        "confidence": float(np.abs([said["confidence"] for said in told] - predictions.confidence).max()),
        "contribution": contributions,
        "others": others,
    }


def in_node(what: str, module: Path, texts: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """Return what the driver prints: `say`, `time` or `digest`."""
    done = subprocess.run(
        ["node", DRIVER, what, module], input=json.dumps(texts), capture_output=True, encoding="utf-8", check=True
    )
    return json.loads(done.stdout)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Give the address under which the files of a folder are served on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Give a browser, or None where there is none."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        browser = None
    if not (browser and driver):
        yield None
        return
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.set_script_timeout(300)
    try:
        yield chromium
    finally:
        chromium.quit()


def in_chromium(chromium: Any, address: str, what: str, module: str, texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Return what `in_node` does, run by a page."""
    chromium.get(f"{address}/page.html")
    script = """
        const [what, module, texts, done] = arguments;
        Promise.all([import("./javascript.mjs"), import(module)]).then(
          async ([driver, { default: model }]) => done(JSON.stringify(await driver[what](model, JSON.parse(texts)))),
          (error) => done(JSON.stringify(`${error}`)),
        );
    """
    return json.loads(chromium.execute_async_script(script, what, f"./{module}", json.dumps(texts)))


def time_python(model: Model, texts: Sequence[str]) -> tuple[float, float]:
    """Return texts a second one at a time, and 512 at a time."""
    started = time.perf_counter()
    for text in texts[:500]:
        model.predict([text])
    single = len(texts[:500]) / (time.perf_counter() - started)
    model.predict(texts[:512])
    started = time.perf_counter()
    for first in range(0, len(texts), 512):
        model.predict(texts[first : first + 512])
    return single, len(texts) / (time.perf_counter() - started)


def main() -> None:
    """Print a row for each model and each place that it runs in."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--count", type=int, default=550)
    parser.add_argument("--quantize", choices=["int8", "none"], default="int8")
    options = parser.parse_args()
    with open_table(options.texts, TableOptions(), labelled=False) as table:
        timed = [text for batch in table.batches() for text in batch.texts][:_MOST_TIMED]
    heads = f"{'MB':>6} {'gzip':>6} {'P':>8} {'share':>8} {'others':>6} {'first/s':>8} {'best/s':>8}"
    print(f"{'model':24} {'where':9} {heads}")
    with tempfile.TemporaryDirectory() as name, open_chromium() as chromium, serve(Path(name)) as address:
        folder = Path(name)
        shutil.copy(DRIVER, folder)
        (folder / "page.html").write_text("<!DOCTYPE html>\n")
        for path in options.models:
            model = Model.load(path)
            if options.quantize == "int8":
                model = shrink(model, "0" * 64).model
            module = folder / f"{path.stem}.mjs"
            precision = None if model.record is None else 0.9
            write_javascript(model, module, None if precision is None else model.answer_from(precision))
            content = module.read_bytes()
            sizes = f"{len(content) / 1e6:6.2f} {len(gzip.compress(content)) / 1e6:6.2f}"
            texts = hostile_texts(list(model.words)[:5000], options.count, np.random.default_rng(1))
            single, many = time_python(model, timed)
            print(f"{path.stem[:24]:24} {'Python':9} {'':6} {'':6} {'':8} {'':8} {'':6} {single:8,.0f} {many:8,.0f}")
            places = {"Node": partial(in_node, module=module)}
            if chromium is not None:
                places["Chromium"] = lambda what, texts, module=module: in_chromium(
                    chromium, address, what, module.name, texts
                )
            for place, ask in places.items():
                found = differences(model, texts, ask("say", texts=texts), precision)
                rates = ask("time", texts=timed)
                figures = f"{found['probability']:8.1e} {found['contribution']:8.1e} {found['others']:6}"
                print(f"{'':24} {place:9} {sizes} {figures} {rates['first']:8,.0f} {rates['best']:8,.0f}")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
