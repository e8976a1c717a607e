"""The service keeps to HTTP and to its own description: methods, targets, headers, origins, and errors in JSON."""

import asyncio
import json
import time

import httpx
import pytest
from click.testing import CliRunner
from serving import TEXTS, running, save_model

from textclf.cli import cli
from textclf.errors import TextclfError
from textclf.serve import ServeLimits, ServeSettings, check_host, check_origin
from textclf.serve.service import Service

TOKEN = "0123456789abcdef0123"
PAGE = "https://app.example.org"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "one.safetensors")


@pytest.fixture(scope="module")
def made(path):
    return Service(ServeSettings({"one": path}, origins=(PAGE,)))


@pytest.fixture(scope="module")
def child(path):
    with running({"one": path}, keep_alive=2) as service:
        yield service


def ask(service, method, address, **request):
    async def talk():
        transport = httpx.ASGITransport(service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            return await client.request(method, address, **request)

    return asyncio.run(talk())


@pytest.fixture(scope="module")
def description(made):
    return ask(made, "GET", "/openapi.json").json()


def test_every_get_is_answered_to_head_too_and_405_names_both(made, description):
    for path, methods in description["paths"].items():
        if "get" in methods:
            head = ask(made, "HEAD", path)
            assert (head.status_code, head.content) == (200, b"")
            assert ask(made, "POST", path, json={}).headers["allow"] == "GET, HEAD"
        else:
            for method in ("GET", "HEAD", "OPTIONS"):
                refused = ask(made, method, path)
                assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_each_answer_has_the_status_and_the_media_type_that_are_described(made, description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for request in ({}, {"json": {"texts": ["good"]}}, {"content": b"text\ngood\n"}, {"content": b"\xff"}):
                answer = ask(made, method, path, **request)
                described = operation["responses"][str(answer.status_code)]["content"]
                assert answer.headers["content-type"].split(";")[0] in described, (method, path)


def test_the_figures_for_prometheus_are_described_as_text(description):
    assert set(description["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == {"text/plain"}


def test_the_query_of_a_table_is_described_by_what_checks_it(made, description):
    parameters = {one["name"]: one["schema"] for one in description["paths"]["/label"]["post"]["parameters"]}
    assert parameters["format"]["enum"] == ["csv", "tsv", "jsonl"]
    assert parameters["on_error"]["enum"] == ["fail", "skip"]
    assert parameters["proba"]["type"] == "boolean"
    for encoding in parameters["encoding"]["enum"]:
        table = "text\ngood film\n".encode(encoding)
        answer = ask(made, "POST", f"/label?encoding={encoding}", content=table)
        assert answer.status_code == 200, (encoding, answer.text)
    assert parameters["top_k"]["anyOf"][0] == {"type": "integer", "minimum": 1}
    described = {name for name, schema in parameters.items() if "enum" in schema}
    assert {ask(made, "POST", f"/label?{name}=none", content=b"text\ngood\n").status_code for name in described} == {
        422
    }


def test_a_parameter_given_twice_is_refused(made):
    answer = ask(made, "POST", "/label?top_k=1&top_k=2", content=b"text\ngood\n")
    assert (answer.status_code, answer.json()["error"]) == (
        422, "query: expected each parameter once, found one several times."
    )  # fmt: skip


@pytest.mark.parametrize("number", [b"1", b"1.0", b"1e0"])
def test_a_whole_number_is_one_however_json_writes_it(number, made):
    body = b'{"texts": ["good"], "top_k": %b}' % number
    answer = ask(made, "POST", "/predict", content=body, headers={"content-type": "application/json"})
    assert len(answer.json()["predictions"][0]["probabilities"]) == 1
    body = b'{"texts": ["good"], "ngrams": %b}' % number
    assert ask(made, "POST", "/explain", content=body, headers={"content-type": "application/json"}).status_code == 200


@pytest.mark.parametrize("number", ["0", "1.5", "true", '"1"', "[1]", "-1"])
def test_what_is_no_count_is_refused(number, made):
    body = f'{{"texts": ["good"], "top_k": {number}}}'
    answer = ask(made, "POST", "/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("top_k: expected ")


@pytest.mark.parametrize("encoding", ["identity", "Identity", "IDENTITY", ""])
def test_a_body_that_is_not_packed_may_say_so_in_any_case(encoding, made):
    sent = {"content-encoding": encoding}
    assert ask(made, "POST", "/predict", json={"texts": ["good"]}, headers=sent).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_the_token_has_no_case(scheme, path):
    service = Service(ServeSettings({"one": path}, token=TOKEN))
    assert ask(service, "GET", "/models", headers={"authorization": f"{scheme} {TOKEN}"}).status_code == 200
    assert ask(service, "GET", "/models", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401
    described = ask(service, "GET", "/openapi.json").json()
    assert described["paths"]["/models"]["get"]["security"] == [{"token": []}]
    assert "security" not in described["paths"]["/healthz"]["get"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/healthz", 200),
        ("HTTP://LOCALHOST:80/healthz", 200),
        ("http://127.0.0.1", 200),
        ("http://evil.example/healthz", 403),
        ("http://localhost@evil.example/healthz", 403),
        ("http://localhost/nothing", 404),
        ("http://localhost/models/../healthz", 404),
    ],
)
def test_a_target_with_scheme_and_host_is_read_as_such_and_its_host_counts(target, status, child):
    answer = child.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert int(answer[9:12]) == status


def test_a_path_with_a_slash_at_its_end_is_no_path_and_is_not_sent_elsewhere(made):
    for path in ("/predict/", "/models/", "/healthz/"):
        answer = ask(made, "POST" if path == "/predict/" else "GET", path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


CHUNKS = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BROKEN = {
    "no request": (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    "another protocol": (b"GET / FTP/1.1\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
    "a chunk of no size": (CHUNKS + b"zz\r\n", 400),
    "a head too long": (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
    "a foreign host": (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_request_gets_its_error_as_json(name, child):
    content, status = BROKEN[name]
    head, _, body = child.raw(content).partition(b"\r\n\r\n")
    assert int(head[9:12]) == status
    assert b"content-type: application/json" in head.lower()
    assert ": expected " in json.loads(body)["error"]


def test_an_idle_connection_stays_open_as_long_as_is_wished(child):
    began = time.monotonic()
    with child.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while connection.recv(4096):
            pass
        assert time.monotonic() - began > 1.5


def test_a_page_that_is_let_in_may_ask_and_read_all_that_comes(made):
    preflight = {"origin": PAGE, "access-control-request-method": "POST"}
    allowed = ask(made, "OPTIONS", "/predict", headers=preflight)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["access-control-allow-headers"] == "authorization, content-type"
    answers = [
        ask(made, "POST", "/predict", json={"texts": TEXTS}, headers={"origin": PAGE}),
        ask(made, "POST", "/predict", json={"texts": []}, headers={"origin": PAGE}),
        ask(made, "GET", "/nothing", headers={"origin": PAGE}),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 404]
    assert {answer.headers["access-control-allow-origin"] for answer in [allowed, *answers]} == {PAGE}
    assert {answer.headers["vary"] for answer in [allowed, *answers]} == {"origin"}


def test_other_pages_are_refused_as_before(made):
    for origin in (
        "https://app.example.org.evil.example",
        "http://app.example.org",
        "null",
        "https://app.example.org:8",
    ):
        for method in ("GET", "OPTIONS"):
            sent = {"origin": origin, "access-control-request-method": "GET"}
            answer = ask(made, method, "/models", headers=sent)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
            assert "--allow-origin" in answer.json()["error"]


def test_any_page_is_let_in_where_one_wishes_but_not_without_the_token(path):
    service = Service(ServeSettings({"one": path}, token=TOKEN, origins=("*",)))
    assert ask(service, "GET", "/models", headers={"origin": "https://a.example"}).status_code == 401
    sent = {"origin": "https://a.example", "authorization": f"Bearer {TOKEN}"}
    answer = ask(service, "GET", "/models", headers=sent)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize(
    "origin",
    ["app.example.org", "https://app.example.org/", "ftp://a", "null", "https://", "a*", "https://bücher.example"],
)
def test_an_origin_that_no_browser_sends_is_wrong_usage(origin, path):
    with pytest.raises(TextclfError, match=r"expected an origin such as https://app.example.org"):
        check_origin(origin)
    run = CliRunner().invoke(cli, ["serve", str(path), "--allow-origin", origin])
    assert run.exit_code == 2


def test_origins_are_kept_as_browsers_send_them():
    given = ["HTTPS://App.Example.org:443", "http://localhost:80", "http://localhost:3000", "http://[::1]:8080", "*"]
    assert [check_origin(origin) for origin in given] == [
        "https://app.example.org", "http://localhost", "http://localhost:3000", "http://[::1]:8080", "*",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (["--allow-host", "https://texts.example.org"], "expected the name of a host"),
        (["--allow-host", "texts.example.org:8000"], "expected the name of a host"),
        (["--allow-host", "texts.example.org/api"], "expected the name of a host"),
        (["--allow-host", "*"], "expected the name of a host"),
        (["--allow-host", "bücher.example"], "expected the name of a host"),
        (["--allow-host", ""], "expected the name of a host"),
        (["--allow-host", "127.0.0.1"], "IP addresses are always allowed"),
        (["--allow-host", "[::1]"], "IP addresses are always allowed"),
        (["--allow-host", "Localhost"], "IP addresses are always allowed"),
        (["--allow-origin", "*", "--allow-origin", PAGE], "the others have no effect"),
        (["--max-characters", "1048577"], "--max-body 1 MiB has no text as long"),
    ],
)
def test_an_option_of_the_service_that_cannot_act_is_wrong_usage(given, match, path):
    run = CliRunner().invoke(cli, ["serve", str(path), *given])
    assert run.exit_code == 2
    assert match in run.output


def test_names_of_hosts_are_kept_as_clients_send_them():
    assert [check_host(name) for name in ("Texts.Example.ORG", "a", "texts_1", "xn--bcher-kva.example")] == [
        "texts.example.org", "a", "texts_1", "xn--bcher-kva.example",
    ]  # fmt: skip


def test_how_many_texts_a_request_may_have_is_described(path):
    service = Service(ServeSettings({"one": path}, limits=ServeLimits(texts=3, explained=2, characters=5)))
    schemas = ask(service, "GET", "/openapi.json").json()["components"]["schemas"]
    for operation, most in (("Predict", 3), ("Explain", 2)):
        texts = schemas[f"{operation}Request"]["properties"]["texts"]
        assert (texts["minItems"], texts["maxItems"]) == (1, most)
        for given, status in ((["a" * 5] * most, 200), (["a"] * (most + 1), 422), (["a" * 6], 422)):
            assert ask(service, "POST", f"/{operation.lower()}", json={"texts": given}).status_code == status
