"""The labelling page: a session by the keyboard, in a browser; and a service that is killed loses no label."""

import csv
import http.client
import json
import random
import re
import time

import children
import pytest
from children import SOAK
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving import running

browsers = pytest.importorskip("browsers")

UP, DOWN = ("good", "fine", "lovely"), ("bad", "ill", "dull")
EVIL = '<img src=x onerror="document.title=1">'
WAIT = "return document.querySelector('#text .passage')?.textContent"


def texts(count):
    dice = random.Random(2)
    return [
        f"{' and '.join(dice.sample(UP if number % 2 else DOWN, 2))} film number {number} of the year {EVIL}"
        for number in range(count)
    ]


def truth(text):
    return "up" if text.split()[0] in UP else "down"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("label")
    with (folder / "pool.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *enumerate(texts(300))])
    return folder


def command(place, output, *more, labels="up,down,sideways"):
    call = ["label", place / "pool.csv", "-o", place / output, "--labels", labels, "--port", "0"]
    return [*call, "--vectors", "none", *more]


def labelled(place, output):
    with (place / output).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def browser(chromium, place):
    return browsers.fresh_tab(chromium, place)


def open_page(browser, service):
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{service.port}/")
    browsers.wait(browser).until(lambda _: browser.execute_script(WAIT))


def press(browser, *keys):
    browsers.webdriver.ActionChains(browser).send_keys(*keys).perform()


def press_on(browser, *keys):
    """Press keys, and wait for the next row."""
    before = browser.execute_script(WAIT)
    press(browser, *keys)
    browsers.wait(browser).until(lambda _: browser.execute_script(WAIT) != before)


def shown(browser):
    return browser.execute_script(WAIT)


def test_sixty_rows_are_labelled_by_the_keyboard(browser, place):
    with running({}, command=command(place, "sixty.csv")) as service:
        open_page(browser, service)
        given = {}
        for number in range(60):
            text = shown(browser)
            given[text] = truth(text)
            digit, letter = {"up": ("1", "u"), "down": ("2", "d")}[given[text]]
            press_on(browser, digit if number % 2 else letter)
        facts = browser.find_element(By.ID, "progress-text")
        assert facts.text.startswith("60 of 300 rows")
        browsers.wait(browser).until(lambda _: "guess right" in facts.text)
        browsers.wait(browser).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#text mark"))
        guess = browser.find_element(By.CSS_SELECTOR, "#guess b").text
        text = shown(browser)
        press_on(browser, Keys.ENTER)
        given[text] = guess
        assert browser.get_log("browser") == []
        assert browser.title == "textclf label"
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
        assert {re.sub(r"(?<=\d)/.*", "", url) for url in loaded} == {f"http://127.0.0.1:{service.port}"}
    rows = labelled(place, "sixty.csv")
    assert {row["text"]: row["label"] for row in rows} == given
    assert len(rows) == 61
    assert all(float(row["seconds"]) >= 0 and row["id"].isdigit() for row in rows)


def test_undo_skip_unsure_and_note_work_by_key(browser, place):
    with running({}, command=command(place, "keys.csv")) as service:
        open_page(browser, service)
        first = shown(browser)
        press_on(browser, "1")
        press_on(browser, Keys.BACKSPACE)
        assert shown(browser) == first
        press_on(browser, Keys.ARROW_RIGHT)
        second = shown(browser)
        press(browser, "?", ".")
        press(browser, "odd 2 u", Keys.ENTER)
        press_on(browser, "2")
        rows = labelled(place, "keys.csv")
        assert [(row["text"], row["label"], row["unsure"], row["note"]) for row in rows] == [
            (second, "down", "true", "odd 2 u")
        ]
        press(browser, Keys.ENTER)  # there is no guess to take
        assert len(labelled(place, "keys.csv")) == 1
        assert browser.get_log("browser") == []


def test_several_labels_are_chosen_and_saved_with_enter(browser, place):
    with running({}, command=command(place, "several.csv", "--multi-label", "--every", "5")) as service:
        open_page(browser, service)
        press(browser, "1", "2", "3", "2")
        pressed = [
            one.get_attribute("aria-label")
            for one in browser.find_elements(By.CSS_SELECTOR, '#labels [aria-pressed="true"]')
        ]
        assert pressed == ["up", "sideways"]
        press_on(browser, Keys.ENTER)
        press_on(browser, Keys.ENTER)
        assert [row["label"] for row in labelled(place, "several.csv")] == ["up|sideways", ""]
        for _ in range(4):
            press_on(browser, "1", Keys.ENTER)
        guess = browser.find_element(By.ID, "guess")
        browsers.wait(browser).until(lambda _: guess.text.startswith("Guess:"))
        assert "Enter" not in guess.text, "Enter saves what is chosen, not the guess"


def test_many_labels_are_searched_and_a_second_look_is_taken(browser, place):
    names = ",".join(["up", "down", *(f"topic {number}" for number in range(40))])
    with running({}, command=command(place, "many.csv", "--every", "12", labels=names)) as service:
        open_page(browser, service)
        press(browser, "/")
        press(browser, "topic 37")
        found = browser.find_elements(By.CSS_SELECTOR, "#labels button")
        assert [one.get_attribute("aria-label") for one in found] == ["topic 37"]
        press_on(browser, Keys.ENTER)
        for _ in range(11):
            press(browser, *(["?"] if truth(shown(browser)) == "up" else []))
            press_on(browser, "1" if truth(shown(browser)) == "up" else "2")
        guess = browser.find_element(By.ID, "guess")
        browsers.wait(browser).until(lambda _: guess.text.startswith("Guess:"))
        assert browser.find_element(By.CSS_SELECTOR, "#labels button").get_attribute("aria-label").endswith(", guessed")
        browser.find_element(By.ID, "look").click()
        why = browser.find_element(By.ID, "why")
        browsers.wait(browser).until(lambda _: "Second look" in why.text)
        assert guess.text.endswith(("keeps up", "keeps down", "keeps topic 37"))
        while "Second look" in why.text:
            press_on(browser, Keys.ENTER)
        rows = labelled(place, "many.csv")
        assert len(rows) == 12
        assert {row["unsure"] for row in rows} == {""}
        assert rows[0]["label"] == "topic 37"


def test_a_page_that_is_opened_at_the_end_says_so_and_the_last_label_can_be_taken_back(browser, tmp_path):
    (tmp_path / "pool.csv").write_text("text\ngood film\nbad film\n")
    with running({}, command=command(tmp_path, "end.csv")) as service:
        for _ in range(2):
            row = json.loads(service.ask("GET", "/state")[2])["row"]
            service.ask("POST", "/give", {"row": row["number"], "labels": [truth(row["text"])]})
        browser.get(f"http://127.0.0.1:{service.port}/")
        done, work = (browser.find_element(By.ID, name) for name in ("done", "work"))
        browsers.wait(browser).until(lambda _: done.is_displayed())
        assert not work.is_displayed()
        press(browser, Keys.BACKSPACE)
        browsers.wait(browser).until(lambda _: work.is_displayed())
        assert shown(browser) == row["text"]


def test_the_page_fits_a_phone_follows_dark_and_light_and_names_its_parts(browser, place):
    with running({}, command=command(place, "look.csv")) as service:
        open_page(browser, service)
        for width in (390, 320):
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
            )
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        colours = set()
        for scheme in ("dark", "light"):
            browser.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            )
            colours.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert len(colours) == 2
        nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        named = {
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        }
        assert {("button", "up"), ("group", "Labels"), ("progressbar", "Labelled rows")} <= named
        assert {("textbox", "Note"), ("status", "")} <= {(role, name) for role, name in named}
        assert ("button", "") not in named


# --- the service without a browser -----------------------------------------------------------------------------------


def test_only_this_page_may_ask(place):
    with running({}, command=command(place, "guard.csv")) as service:
        status, headers, body = service.ask("GET", "/state")
        row = json.loads(body)["row"]["number"]
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        given = {"row": row, "labels": ["up"]}
        assert service.ask("POST", "/give", given, Origin="http://evil.example")[0] == 403
        assert service.ask("POST", "/give", given, Host="evil.example")[0] == 403
        assert service.ask("POST", "/give", json.dumps(given).encode(), Content_Type="text/plain")[0] == 415
        assert service.ask("POST", "/give", {**given, "labels": ["none"]})[0] == 422
        assert service.ask("POST", "/give", {**given, "more": 1})[0] == 422
        assert service.ask("POST", "/undo", {})[0] == 422
        assert labelled(place, "guard.csv") == []
        assert service.ask("POST", "/give", given)[0] == 200
        assert service.stop()[0] in (143, -15)


def connect(child):
    """Return a connection to the service of a child, and its state, once it listens."""
    found = None
    for _ in range(6000):
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", child.said()):
            break
        assert child.process.is_alive(), child.said()
        time.sleep(0.01)
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
    connection.request("GET", "/state")
    return connection, json.load(connection.getresponse())


def test_a_killed_service_has_lost_no_label_and_doubled_none(tmp_path):
    """It is killed after an answer, or while a label is on its way: that one is whole on the disk, or not there."""
    with (tmp_path / "pool.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *enumerate(texts(900))])
    more = ("--threads", 1)
    told, on_its_way, dice = [], [], random.Random(1)
    for _ in range(200 if SOAK else 3):
        child = children.start(*command(tmp_path, "killed.csv", *more), folder=tmp_path)
        connection, state = connect(child)
        told += on_its_way if state["labelled"] > len(told) else []
        assert state["labelled"] == len(told)
        on_its_way = []
        for _ in range(dice.randrange(1, 6)):
            row = state["row"]
            given = json.dumps({"row": row["number"], "labels": [truth(row["text"])]})
            connection.request("POST", "/give", given, {"Content-Type": "application/json"})
            if dice.random() < 0.2:
                on_its_way = [row["text"]]
                time.sleep(dice.random() / 50)
                break
            state = json.load(connection.getresponse())
            told.append(row["text"])
        child.process.kill()
        child.process.join()
        connection.close()
    last = [row["text"] for row in labelled(tmp_path, "killed.csv")]
    assert last in (told, told + on_its_way)
    assert len(set(last)) == len(last)


def test_labels_get_a_column_of_their_own_beside_one_of_the_table(tmp_path):
    pool = tmp_path / "pool.csv"
    pool.write_text("text,label\n" + "".join(f"good film {number},\n" for number in range(5)))
    call = ["label", pool, "-o", tmp_path / "l.csv", "--labels", "up,down", "--port", "0", "--vectors", "none"]
    with running({}, command=call) as service:
        assert "has a column 'label': labels go into 'label_2'" in service.text
    assert (tmp_path / "l.csv").read_text() == "text,label,label_2,guess,why,seconds,unsure,note\n"


def test_what_is_wrong_is_said_before_the_page_opens(place, tmp_path):
    from click.testing import CliRunner

    from textclf.cli import cli
    from textclf.labelling import LabelJournal

    def said(*arguments, pool=place / "pool.csv"):
        done = CliRunner().invoke(cli, ["label", str(pool), *map(str, arguments)])
        assert done.exit_code == 1
        return str(done.exception)

    assert "expected two or more, found 1" in said("-o", tmp_path / "l.csv", "--labels", "up", "--vectors", "none")
    assert "ends in .csv" in said("-o", tmp_path / "l.jsonl", "--labels", "up,down")
    assert "the same file" in said("-o", place / "pool.csv", "--labels", "up,down")
    assert "does not exist" in said("-o", tmp_path / "none" / "l.csv", "--labels", "up,down", "--vectors", "none")
    (tmp_path / "other.csv").write_text("text,label\ngood,up\n")
    assert "expected the columns id, text, label" in said("-o", tmp_path / "other.csv", "--labels", "up,down")
    assert (tmp_path / "other.csv").read_text() == "text,label\ngood,up\n"
    with LabelJournal(tmp_path / "l.csv", ("id", "text"), "text", multi_label=False):
        assert "found another textclf at work" in said("-o", tmp_path / "l.csv", "--labels", "up,down")
    for content, complaint in (("", "found no rows"), ("id,text\n", "found no rows"), ("a,b,c\n1,2,3\n", "'text'")):
        (tmp_path / "pool.csv").write_text(content)
        assert complaint in said("-o", tmp_path / "new.csv", "--labels", "up,down", pool=tmp_path / "pool.csv")
    assert not (tmp_path / "new.csv").exists()
