"""The service answers as the model does, alone and in company; it keeps limits, fresh models and a clean log."""

import asyncio
import contextlib
import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from serving import TEXTS, running, save_model

from textclf.cli import run as run_textclf
from textclf.errors import TextclfError
from textclf.model.decision import DecisionSettings
from textclf.model.model import Model
from textclf.serve import ServeLimits, ServeSettings, name_models, read_token
from textclf.serve.guard import SECURITY
from textclf.serve.service import Service
from textclf.settings import Settings
from textclf.storage.row_columns import RowColumns
from textclf.training.train import LabelledTexts, train

SECRET = "nobody may read this in a log"
TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "one.safetensors")
    save_model(folder / "two.safetensors", word_ngrams=0)
    return folder


def service(folder, *names, **settings):
    paths = {name: folder / f"{name}.safetensors" for name in names or ("one", "two")}
    return Service(ServeSettings(paths, **settings))


def talk(made, conversation, **client):
    """Let a conversation, which takes an HTTP client, take place with a service."""

    async def held():
        transport = httpx.ASGITransport(made.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", **client) as asking:
            return await conversation(asking)

    return asyncio.run(held())


def ask(made, method, path, **request):
    return talk(made, lambda client: client.request(method, path, **request))


@pytest.fixture
def both(folder):
    return service(folder)


@pytest.fixture(scope="module")
def model(folder):
    return Model.load(folder / "one.safetensors")


def said(model, texts):
    """Return what the API should say of texts."""
    return [
        {
            "label": p.label,
            "confidence": round(p.confidence, 6),
            "probabilities": {name: round(value, 6) for name, value in p.probabilities.items()},
            "known_words": p.known_words,
        }
        for p in model.each(texts, model.predict(texts))
    ]


def test_predictions_are_those_of_the_model(both, model):
    texts = ["good film", "", "so \x00 ill 🙂"]
    answer = ask(both, "POST", "/predict", json={"texts": texts}).json()
    assert answer == {"model": "one", "version": 1, "predictions": said(model, texts)}


def test_texts_get_the_same_figures_alone_and_in_the_company_of_many_requests(both, model):
    requests = [[f"{TEXTS[i % 8]} {'film ' * (i % 5)}"] * (1 + i % 7) for i in range(200)]

    async def all_at_once(client):
        posts = [client.post("/predict", json={"texts": texts}) for texts in requests]
        return [answer.json()["predictions"] for answer in await asyncio.gather(*posts)]

    found = talk(both, all_at_once)
    assert found == [[said(model, [text])[0] for text in texts] for texts in requests]
    batches = both.counters.write_text().decode()
    count = float(batches.split("textclf_batch_texts_count ")[1].split()[0])
    assert count < len(requests) / 4


def test_a_request_of_many_texts_gets_the_figures_of_single_ones(both, model):
    texts = TEXTS * 20
    found = ask(both, "POST", "/predict", json={"texts": texts}).json()["predictions"]
    assert found[:24] == [said(model, [text])[0] for text in TEXTS]


def test_a_model_is_chosen_by_name_and_the_likeliest_labels_alone_are_given(both, folder):
    answer = ask(both, "POST", "/predict", json={"texts": ["ill"], "model": "two", "top_k": 1}).json()
    assert answer["model"] == "two"
    assert list(answer["predictions"][0]["probabilities"]) == [
        said(Model.load(folder / "two.safetensors"), ["ill"])[0]["label"]
    ]


def test_explanations_add_up_to_the_score(both):
    answer = ask(both, "POST", "/explain", json={"texts": ["the bad film", ""], "ngrams": 2}).json()
    for one in answer["explanations"]:
        parts = sum(part["contribution"] for part in one["tokens"] + one["between"])
        assert one["base"] + parts == pytest.approx(one["score"], abs=1e-6)
    assert [len(one["ngrams"]) for one in answer["explanations"]] == [2, 0]
    chosen = ask(both, "POST", "/explain", json={"texts": ["the bad film"], "label": "up"})
    assert chosen.json()["explanations"][0]["label"] == "up"


def test_the_models_are_listed_in_order(both):
    listed = ask(both, "GET", "/models").json()["models"]
    assert [(one["name"], one["version"], one["labels"]) for one in listed] == [
        ("one", 1, ["down", "up"]),
        ("two", 1, ["down", "up"]),
    ]


def test_a_model_of_several_columns_takes_objects_and_tables_of_them(folder):
    columns = RowColumns(("text",), ("colour",), ("price",))
    rows = [f"a bag\x1f{('red', 'blue')[i % 2]}\x1f{i}" for i in range(40)]
    data = LabelledTexts(rows, [("buy", "leave")[i % 2] for i in range(40)], columns=columns)
    model = train(data, Settings(vectors="none", dimension=4, recipe="fast", valid_fraction=0.0), None).model
    model.save(folder / "goods.safetensors")
    made = service(folder, "goods")
    goods = [{"text": "a bag", "colour": "red", "price": 8.5}, {"text": "a bag", "colour": "blue", "price": None}]
    answer = ask(made, "POST", "/predict", json={"texts": goods}).json()
    expected = model.predict(["a bag\x1fred\x1f8.5", "a bag\x1fblue\x1f"]).P.round(6).tolist()
    assert [list(one["probabilities"].values()) for one in answer["predictions"]] == [
        sorted(row, reverse=True) for row in expected
    ]
    why = ask(made, "POST", "/explain", json={"texts": goods}).json()["explanations"]
    assert [part["value"] for part in why[1]["columns"]] == ["blue", ""]
    table = ask(made, "POST", "/label", content=b"price,text,colour\n8.5,a bag,red\n,a bag,blue\n")
    assert [line.split(",")[3] for line in table.text.splitlines()] == ["label", "buy", "leave"]
    assert ask(made, "GET", "/models").json()["models"][0]["columns"] == ["text", "colour", "price"]
    for texts, part in ((["a bag\x1fred\x1fx"], "an object with the columns"), ([{"text": "a bag"}], "an object with"),
                        ([goods[0] | {"price": "cheap"}], "expected numbers in columns of numbers")):  # fmt: skip
        refused = ask(made, "POST", "/predict", json={"texts": texts})
        assert (refused.status_code, part in refused.json()["error"]) == (422, True)
    assert "no column 'price'" in ask(made, "POST", "/label", content=b"text,colour\na bag,red\n").json()["error"]


def test_an_answer_that_cannot_be_promised_is_said_to_be_none(both, folder, model):
    texts = ["good film", "ill"]
    strict, easy = (
        ask(both, "POST", "/predict", json={"texts": texts, "target_precision": target}).json()["predictions"]
        for target in (0.99, 0.5)
    )
    for target, found in ((0.99, strict), (0.5, easy)):
        given = model.each(texts, model.predict(texts, model.decide(DecisionSettings(target_precision=target))))
        assert [one["abstained"] for one in found] == [one.abstained for one in given]
    assert [one["label"] for one in strict] == ["up", "down"]
    table = ask(both, "POST", "/label?target_precision=0.99", content=b"text\ngood film\n")
    assert table.text.splitlines()[0] == "text,label,confidence,abstained"
    assert ask(both, "POST", "/predict", json={"texts": texts, "target_precision": 1}).status_code == 422
    assert ask(both, "GET", "/models").json()["models"][0]["can_promise"]


def test_requests_may_name_costs_thresholds_or_a_label_to_look_for(both, model):
    texts = ["good film", "ill", "a film"]
    P = model.predict(texts).P
    bodies = {
        "costs": {"costs": {"up": {"down": 30}}, "abstain": 0.4},
        "threshold": 0.9,
        "thresholds": {"up": 0.99},
    }
    for name, value in bodies.items():
        found = ask(both, "POST", "/predict", json={"texts": texts, name: value}).json()["predictions"]
        assert all(isinstance(one["abstained"], bool) for one in found)
        if name == "costs":
            expected = P @ [[0, 1], [30, 0]]
            assert [one["label"] for one in found] == [model.labels[j] for j in expected.argmin(axis=1)]
            assert [one["abstained"] for one in found] == (expected.min(axis=1) > 0.4).tolist()
    found = ask(both, "POST", "/predict", json={"texts": texts, "positive": "up", "threshold": 1.0}).json()
    assert [one["label"] for one in found["predictions"]] == ["down"] * 3
    table = ask(both, "POST", "/label?threshold=0.9", content=b"text\ngood film\n")
    assert table.text.splitlines()[0] == "text,label,confidence,abstained"
    for body, said in (
        ({"threshold": 0.9, "costs": {}}, "expected one rule, found threshold and costs"),
        ({"costs": {"costs": {"x": {"up": 1}}}}, "label 'x' was not in the training data"),
        ({"positive": "x", "threshold": 0.5}, "label 'x' was not"),
        ({"costs": {"up": {"down": 1}}}, "expected only fields that are known here"),
    ):
        answer = ask(both, "POST", "/predict", json={"texts": texts, **body})
        assert answer.status_code == 422
        assert said in answer.json()["error"]


def test_requests_with_and_without_a_promise_keep_apart_in_company(both):
    async def all_at_once(client):
        bodies = [{"texts": ["good film"], **({"target_precision": 0.99} if i % 2 else {})} for i in range(40)]
        return await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))

    found = [answer.json()["predictions"][0].get("abstained") for answer in talk(both, all_at_once)]
    assert found == [None, True] * 20


def test_examples_are_words_that_speak_for_their_label(both):
    answer = ask(both, "GET", "/examples?model=two").json()
    assert (answer["model"], [one["label"] for one in answer["examples"]]) == ("two", ["down", "up"])
    assert "good" in answer["examples"][1]["words"]
    assert ask(both, "GET", "/examples?model=none").status_code == 404
    assert ask(both, "GET", "/examples?words=3").status_code == 422


def test_figures_for_prometheus_count_requests_and_texts(both):
    async def conversation(client):
        await client.post("/predict", json={"texts": ["good", "bad"]})
        await client.get("/of-no-such-path")
        return (await client.get("/metrics")).text

    figures = talk(both, conversation)
    assert 'textclf_requests_total{path="/predict",status="200"} 1.0' in figures
    assert 'textclf_requests_total{path="other",status="404"} 1.0' in figures
    assert 'textclf_texts_total{model="one"} 2.0' in figures


def test_the_api_describes_itself_and_no_page_loads_its_description_from_elsewhere(both):
    described = ask(both, "GET", "/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/explain", "/label", "/models", "/examples", "/healthz", "/metrics"}
    schema = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/PredictRequest"}
    fields = described["components"]["schemas"]["PredictRequest"]["properties"]
    assert set(fields) == {
        "texts",
        "model",
        "top_k",
        "target_precision",
        "threshold",
        "thresholds",
        "costs",
        "positive",
        "target_recall",
    }
    assert "http" not in ask(both, "GET", "/docs").text


def test_every_answer_forbids_what_the_page_does_not_need(both):
    for path in ("/", "/page.js", "/models", "/nothing"):
        headers = ask(both, "GET", path).headers
        assert all(headers[name.decode()] == value.decode() for name, value in SECURITY)
    policy = dict(SECURITY)[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


WRONG = {
    "no JSON": (b"texts", 400, "body: expected JSON in UTF-8"),
    "no texts": (b"{}", 422, "texts: expected it, found nothing"),
    "an empty list": (b'{"texts": []}', 422, "texts: expected at least 1 item, found 0"),
    "a text that is none": (b'{"texts": ["a", 7]}', 422, "texts[1]: expected a text or an object of columns, found"),
    "a field unknown": (
        b'{"texts": ["a"], "%s": 1}' % SECRET.encode(),
        422,
        "body: expected only fields that are known here",
    ),
    "no such model": (b'{"texts": ["a"], "model": "%s"}' % SECRET.encode(), 404, "expected one of one, two"),
    "none at the top": (b'{"texts": ["a"], "top_k": 0}', 422, "top_k: expected a number greater than or equal to 1"),
    "too many texts": (b'{"texts": ["a", "b", "c", "d"]}', 422, "expected at most 3, found 4"),
    "a text too long": (b'{"texts": ["%s"]}' % (b"a" * 51), 422, "at most 50 characters in a text, found 51"),
    "too large": (b'{"texts": ["%s"]}' % (b"a" * 4096), 413, "expected at most 1,024 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_request_that_cannot_be_answered_is_told_why_and_gets_nothing_back(name, folder):
    body, status, message = WRONG[name]
    made = service(folder, limits=ServeLimits(texts=3, characters=50, body=1024))
    answer = ask(made, "POST", "/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert SECRET not in answer.text


def test_a_label_that_the_model_lacks_and_too_many_texts_to_explain_are_refused(both):
    unknown = ask(both, "POST", "/explain", json={"texts": ["a"], "label": "sideways"})
    assert (unknown.status_code, unknown.json()["error"]) == (
        404, "label: expected one that the model 'one' has. See /models."
    )  # fmt: skip
    assert ask(both, "POST", "/explain", json={"texts": ["a"] * 101}).status_code == 422


def test_without_the_token_only_the_page_and_the_health_are_given(folder):
    made = service(folder, token=TOKEN)

    async def conversation(client):
        right, wrong = {"authorization": f"Bearer {TOKEN}"}, {"authorization": f"Bearer {TOKEN}x"}
        found = [(await client.get(path)).status_code for path in ("/", "/page.js", "/healthz", "/openapi.json")]
        found += [
            (await client.get(path, headers=h)).status_code for path in ("/models", "/metrics") for h in ({}, wrong)
        ]
        found.append((await client.post("/predict", json={"texts": ["a"]})).status_code)
        found.append((await client.get("/models", headers=right)).status_code)
        return found

    assert talk(made, conversation) == [200] * 4 + [401] * 5 + [200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "texts.example.org"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example:8000"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://localhost:8000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-encoding": "gzip"}, 415),
    ],
)
def test_foreign_hosts_origins_and_kinds_of_content_are_refused(headers, status, folder):
    made = service(folder, hosts=("texts.example.org",))
    sent = {"content-type": "application/json", **headers}
    assert ask(made, "POST", "/predict", content=b'{"texts": ["a"]}', headers=sent).status_code == status


def test_too_much_work_at_once_is_sent_away_with_a_time_to_come_back(folder):
    made = service(folder, limits=ServeLimits(waiting=300))

    async def many(client):
        return await asyncio.gather(*(client.post("/predict", json={"texts": ["film"]}) for _ in range(20)))

    answers = talk(made, many)
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 503} == {"1"}


def test_who_waits_for_too_long_is_sent_away(folder):
    made = service(folder, limits=ServeLimits(seconds=-1.0))
    answers = [ask(made, "POST", "/predict", json={"texts": ["film"] * n}) for n in (1, 500)]
    assert [answer.status_code for answer in answers] == [503, 503]


def test_a_fault_says_neither_to_the_client_nor_to_the_log_what_was_sent(folder, monkeypatch, caplog):
    made = service(folder)

    def fail(*_, **__):
        raise ValueError(SECRET)

    monkeypatch.setattr(Model, "predict", fail)
    answer = ask(made, "POST", "/predict", json={"texts": [SECRET]})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "the service failed at this request; its log says where."},
    )
    assert SECRET not in caplog.text
    assert "POST /predict: ValueError at" in caplog.text


ROWS = [
    ("text", "note", "label"),
    ("good film", 'say "hi", twice', "a"),
    ("bad,\r\nill", "", "ü"),
    ("", "  spaced  ", "=1+1"),
    ("the film\nfine", "x", "b"),
]


def written(rows, **form):
    stream = io.StringIO(newline="")
    csv.writer(stream, **form).writerows(rows)
    return stream.getvalue().encode()


TABLES = {
    "csv": written(ROWS),
    "quoted csv": written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "csv with a mark": b"\xef\xbb\xbf" + written(ROWS),
    "many rows": written([ROWS[0], *ROWS[1:] * 700]),
    "tsv": b"text\tnote\ngood film\t1\nill\t\n",
    "jsonl": b'{"text": "good", "n": 1.50}\n{"n": null, "text": "bad"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_comes_back_as_the_command_labels_it(name, both, folder, tmp_path):
    kind = name if name in ("tsv", "jsonl") else "csv"
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    source.write_bytes(TABLES[name])
    options = ["--text-column", "text", "--proba", "-q"]
    assert (
        run_textclf(["predict", str(folder / "one.safetensors"), "-i", str(source), "-o", str(target), *options]) == 0
    )
    answer = ask(both, "POST", f"/label?format={kind}&text_column=text&proba=true", content=TABLES[name])
    assert answer.status_code == 200
    assert answer.content == target.read_bytes()
    assert answer.headers["x-rows"] == str(2 if kind != "csv" else 2800 if name == "many rows" else 4)


def test_a_table_with_a_bad_row_far_down_is_refused_before_any_row_leaves(both):
    table = written(ROWS[:2] * 1) + b"good,x,a\r\n" * 5000 + b"too short\r\n"
    answer = ask(both, "POST", "/label?text_column=text", content=table)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("table:5003: row 5002: expected 3 fields, found 1")
    assert "on_error skip" in answer.json()["error"]
    skipped = ask(both, "POST", "/label?text_column=text&on_error=skip", content=table)
    assert (skipped.headers["x-rows"], skipped.headers["x-rows-refused"]) == ("5001", "1")
    assert skipped.content.count(b"\r\n") == 5002


@pytest.mark.parametrize(
    ("query", "content", "headers", "status", "message"),
    [
        ("text_column=nope", TABLES["csv"], {}, 422, "table: no column 'nope'"),
        ("", b"", {}, 422, "expected a table, found nothing"),
        ("", b"PAR1 and so on", {}, 415, "found Parquet"),
        ("format=parquet", b"a\nb\n", {}, 422, "format: expected 'csv', 'tsv' or 'jsonl'"),
        ("colour=red", b"a\nb\n", {}, 422, "query: expected only fields that are known"),
        ("top_k=x", b"a\nb\n", {}, 422, "top_k: expected a valid integer"),
        ("proba=yes", b"a\nb\n", {}, 422, "proba: expected true or false"),
        ("encoding=punycode", b"a\nb\n", {}, 422, "encoding: expected one such as"),
        ("separator=ab", b"a\nb\n", {}, 422, "separator: expected one ASCII character"),
        ("model=none", b"a\nb\n", {}, 404, "model: expected one of one, two"),
        ("", b"--x", {"content-type": "multipart/form-data; boundary=x"}, 415, "found a form"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_labelled_is_told_why(query, content, headers, status, message, both):
    answer = ask(both, "POST", f"/label?{query}", content=content, headers=headers)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert both.uploads._running == 0


def test_a_table_over_the_limit_is_refused(folder):
    made = service(folder, limits=ServeLimits(upload=100))
    assert ask(made, "POST", "/label", content=b"text\n" + b"film\n" * 50).status_code == 413
    assert made.uploads._running == 0


def test_a_changed_file_is_loaded_and_a_broken_one_leaves_the_old_model(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "one.safetensors"
    shutil.copyfile(folder / "one.safetensors", path)
    made = service(tmp_path, "one")

    async def conversation(client):
        found = []
        for content in (folder / "two.safetensors").read_bytes(), b"no model at all", None:
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)  # over the file itself: what is loaded must not change with it
            await made.models.refresh()
            found.append((await client.post("/predict", json={"texts": ["good film"]})).json())
        return found

    new = said(Model.load(folder / "two.safetensors"), ["good film"])
    expected = {"model": "one", "version": 2, "predictions": new}
    assert talk(made, conversation) == [expected, expected, expected]
    assert "one: loaded again, version 2" in caplog.text
    assert "one: the changed file is invalid, the old model stays: " in caplog.text


def test_models_are_named_by_their_files_or_as_one_wishes(tmp_path):
    odd = tmp_path / "a=b.safetensors"
    odd.write_bytes(b"")
    named = name_models(["x/good one.safetensors", "new=y/model.safetensors", str(odd)])
    assert {name: str(path) for name, path in named.items()} == {
        "good-one": "x/good one.safetensors", "new": "y/model.safetensors", "a-b": str(odd)
    }  # fmt: skip
    with pytest.raises(TextclfError, match="models of different names, found 'm' twice"):
        name_models(["a/m.safetensors", "b/m.safetensors"])
    with pytest.raises(TextclfError, match="expected a name of letters"):
        name_models(["a b=m.safetensors"])


@pytest.mark.parametrize("content", [b"", b"short", b"two words of some length", "ü".encode() * 20, None])
def test_a_token_must_be_one_long_word(content, tmp_path):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextclfError, match=r"expected (one token of at least 16|a file with a token)"):
        read_token(path)
    path.write_text(f"  {TOKEN}\n")
    assert read_token(path) == TOKEN


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_serves_until_a_signal_and_ends_what_it_began(kind, code, folder):
    command = ["serve", str(folder / "one.safetensors"), "--port", "0", "--log-requests"]
    with running({}, command=command) as made:
        assert made.ask("POST", "/predict", {"texts": [SECRET]})[0] == 200
        idle = made.connect()
        ended, seconds = made.stop(kind)
        idle.close()
    assert ended == code
    assert seconds < 3
    assert "POST /predict 200" in made.text
    assert SECRET not in made.text


def test_what_keeps_the_service_from_starting_is_one_line(folder, tmp_path):
    with running({"one": folder / "one.safetensors"}) as made:
        for arguments, message in (
            (
                [str(folder / "one.safetensors"), "--port", str(made.port)],
                "cannot be listened on (Address already in use)",
            ),
            ([str(tmp_path / "missing"), "--port", "0"], "expected a model file, found nothing"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "textclf", "serve", *arguments],
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 1
            assert message in done.stderr
            assert done.stderr.count("\n") == 1


def test_an_absent_extra_is_named(monkeypatch, folder, capsys):
    monkeypatch.setattr("textclf.errors.find_spec", lambda name: None)
    assert run_textclf(["serve", str(folder / "one.safetensors")]) == 1
    assert 'pip install "textclf-nn[serve]"' in capsys.readouterr().err


def versions(found):
    """Return which versions of the model answered."""
    return {json.loads(body).get("version") for _, _, body in found}


def test_replacing_the_file_under_load_loses_no_request_and_mixes_no_two_models(folder, tmp_path):
    path = tmp_path / "one.safetensors"
    shutil.copyfile(folder / "one.safetensors", path)
    right = {i: said(Model.load(folder / f"{name}.safetensors"), TEXTS[:8]) for i, name in ((1, "one"), (0, "two"))}
    found, over = [], threading.Event()
    with running({"one": path}) as made:

        def keep_asking():
            while not over.is_set():
                found.append(made.ask("POST", "/predict", {"texts": TEXTS[:8]}))

        clients = [threading.Thread(target=keep_asking) for _ in range(4)]
        for client in clients:
            client.start()
        for number in range(6):
            fresh = tmp_path / "fresh"
            shutil.copyfile(folder / f"{'two' if number % 2 == 0 else 'one'}.safetensors", fresh)
            fresh.replace(path)
            until = time.monotonic() + 60
            while number + 2 not in versions(found[-4:]) and time.monotonic() < until:
                time.sleep(0.05)
        over.set()
        for client in clients:
            client.join()
    assert {status for status, _, _ in found} == {200}
    answers = [json.loads(body) for _, _, body in found]
    assert all(answer["predictions"] == right[answer["version"] % 2] for answer in answers)
    assert versions(found) >= {2, 3, 4, 5, 6, 7}


def test_connections_that_say_nothing_make_room_for_those_who_ask(folder):
    with running({"one": folder / "one.safetensors"}, {"connections": 20}) as made:
        silent = [made.connect() for _ in range(40)]
        assert [made.ask("POST", "/predict", {"texts": ["good"]})[0] for _ in range(5)] == [200] * 5
        assert made.open_files < 60
        for one in silent:
            one.close()


def test_a_table_cut_short_by_the_end_of_the_service_looks_cut_short(folder):
    table = b"text\n" + b"good film and so on\n" * 400_000
    with running({"one": folder / "one.safetensors"}) as made, made.connect() as client:
        client.sendall(b"POST /label HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(table), table))
        assert client.recv(12) == b"HTTP/1.1 200"
        made.stop()
        received = b""
        with contextlib.suppress(OSError):
            while part := client.recv(1 << 20):
                received = (received + part)[-10:]
        assert not received.endswith(b"0\r\n\r\n")
        assert "Traceback" not in made.text
