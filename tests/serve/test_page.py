"""The page does what its users do, in a browser, without an error in its console and with nothing from elsewhere."""

import re
import time

import pytest
from browsers import find_faint_text, fresh_tab, label_texts, wait, webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from serving import running, save_model

EVIL = '<img src=x onerror="document.title=1">{{7*7}}'
TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    save_model(folder / "one.safetensors", kept=2)
    save_model(folder / "two.safetensors", labels=("down", "up"))  # says the opposite
    save_model(folder / "evil.safetensors", labels=(EVIL, "plain"))
    return folder


@pytest.fixture(scope="module")
def service(place):
    with running({name: place / f"{name}.safetensors" for name in ("one", "two", "evil")}) as made:
        yield made


@pytest.fixture(scope="module")
def browser(chromium, place):
    return fresh_tab(chromium, place)


@pytest.fixture
def page(browser, service):
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{service.port}/")
    wait(browser).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
    yield browser
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert {re.sub(r"(?<=\d)/.*", "", url) for url in loaded} == {f"http://127.0.0.1:{service.port}"}


def test_sentences_get_labels_bars_and_coloured_words(page):
    cards = label_texts(page, "the good film\nso bad 🙂 ill")
    assert [card.find_element(By.CLASS_NAME, "verdict").text for card in cards] == ["up", "down"]
    assert [card.find_element(By.CLASS_NAME, "passage").text for card in cards] == ["the good film", "so bad 🙂 ill"]
    shares = [share.text for share in cards[0].find_elements(By.CLASS_NAME, "share")]
    assert sum(float(share.strip("<> %")) for share in shares) == pytest.approx(100, abs=0.2)
    widths = [bar.rect["width"] for bar in cards[0].find_elements(By.CLASS_NAME, "fill")]
    assert widths[0] > widths[1]
    marked = {mark.text: mark.get_attribute("class") for mark in cards[0].find_elements(By.TAG_NAME, "mark")}
    assert marked["good"].startswith("f")
    assert "ill" in cards[1].find_element(By.CLASS_NAME, "why").text


def test_the_keyboard_alone_is_enough(page):
    assert page.switch_to.active_element.get_attribute("id") == "texts"
    page.switch_to.active_element.send_keys("lovely film", Keys.CONTROL, Keys.ENTER)
    wait(page).until(lambda _: page.find_elements(By.CSS_SELECTOR, "article"))
    reached = []
    for _ in range(20):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(
            page.execute_script(
                "const a = document.activeElement; return a === document.body ? 'body' : a.id || a.className"
            )
        )
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        if reached[-1] not in ("file", "body"):
            assert page.execute_script(outline) != "none"
    assert [name for name in reached if name != "chip"][:5] == ["add", "lines", "ask", "examples-title", "file"]
    assert reached.count("chip") >= 2


def test_two_models_are_compared_side_by_side(page):
    Select(page.find_element(By.ID, "other")).select_by_value("two")
    (card,) = label_texts(page, "good film")
    assert [side.text for side in card.find_elements(By.TAG_NAME, "h3")] == ["one", "two"]
    assert [one.text for one in card.find_elements(By.CLASS_NAME, "verdict")] == ["up", "down"]
    assert card.find_element(By.CLASS_NAME, "differ").text == "The models differ."
    Select(page.find_element(By.ID, "model")).select_by_value("two")
    wait(page).until(lambda _: not page.find_elements(By.CLASS_NAME, "differ"))


def test_hostile_labels_and_texts_are_text(page):
    Select(page.find_element(By.ID, "model")).select_by_value("evil")
    (card,) = label_texts(page, f"good film {EVIL}")
    assert card.find_element(By.CLASS_NAME, "verdict").text == EVIL
    assert card.find_element(By.CLASS_NAME, "passage").text == f"good film {EVIL}"
    assert card.find_elements(By.TAG_NAME, "img") == []
    assert page.title == "textclf"


def send_table(page, path, column=""):
    page.find_element(By.ID, "file").send_keys(str(path))
    wait(page).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#column option"))
    if column:
        Select(page.find_element(By.ID, "column")).select_by_value(column)
    page.find_element(By.ID, "label-table").click()
    wait(page).until(lambda _: page.find_element(By.ID, "label-table").is_enabled())
    return page.find_element(By.ID, "table-status").text


def test_a_table_comes_back_labelled(page, place):
    table = place / "new.csv"
    table.write_bytes(b'text,note\r\ngood film,"say ""hi"", ok"\r\n"bad,\nill",=1+1\r\n' + b"fine,x\r\n" * 3000)
    assert send_table(page, table, "text") == "3,002 rows labelled."
    page.find_element(By.ID, "download").click()
    saved = place / "new-labelled.csv"
    wait(page).until(lambda _: saved.exists() and saved.stat().st_size)
    lines = saved.read_bytes().split(b"\r\n")
    assert lines[0] == b"text,note,label,confidence"
    assert lines[1].startswith(b'good film,"say ""hi"", ok",up,0.')
    assert lines[2].startswith(b'"bad,\nill",=1+1,down,0.')
    assert len(lines) == 3004


def test_a_table_is_dropped_on_the_page(page):
    drop = """
        const data = new DataTransfer();
        data.items.add(new File(["text\\ngood film\\n"], "dropped.csv"));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    """
    page.execute_script(drop)
    page.find_element(By.ID, "label-table").click()
    link = page.find_element(By.ID, "download")
    wait(page).until(lambda _: link.is_displayed())
    assert link.text.startswith("Save dropped-labelled.csv")


def test_what_is_wrong_with_a_table_is_said(browser, service, place):
    table = place / "bad.csv"
    table.write_text("text,note\ngood,1\nbad\n")
    browser.get(f"http://127.0.0.1:{service.port}/")
    wait(browser).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
    assert send_table(browser, table).startswith("table:3: row 2: expected 2 fields, found 1")
    browser.find_element(By.ID, "skip").click()
    browser.find_element(By.ID, "label-table").click()
    status = browser.find_element(By.ID, "table-status")
    wait(browser).until(lambda _: status.text == "1 row labelled, 1 skipped.")


def test_the_page_fits_a_phone_and_follows_dark_and_light_with_no_faint_text(page, place):
    (place / "few.csv").write_text("text,n\ngood film,1\nso bad,2\n")
    label_texts(page, f"good film {'x' * 300}\n{'bad film ' * 40}")
    for width in (390, 320):
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    send_table(page, place / "few.csv")
    page.find_element(By.CSS_SELECTOR, "#promise").send_keys("if 99")
    wait(page).until(lambda _: page.find_elements(By.CSS_SELECTOR, ".verdict.unsure"))
    colours = []
    for scheme in ("dark", "light"):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        assert find_faint_text(page) == []
        colours.append(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert colours[0] != colours[1]


def test_the_page_asks_for_the_token_and_keeps_it(browser, place):
    with running({"one": place / "one.safetensors"}, token=TOKEN) as made:
        browser.get(f"http://127.0.0.1:{made.port}/")
        field = browser.find_element(By.ID, "token")
        wait(browser).until(lambda _: field.is_displayed())
        field.send_keys(TOKEN, Keys.ENTER)
        wait(browser).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
        assert not field.is_displayed()
        label_texts(browser, "good film")
        browser.refresh()
        time.sleep(0.2)
        wait(browser).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))


def test_labels_are_listed_with_words_that_a_click_labels(page):
    wait(page).until(lambda _: page.find_elements(By.CLASS_NAME, "chip"))
    title = page.find_element(By.ID, "examples-title").text
    assert re.fullmatch(r"2 labels · accuracy [\d.]+ %, macro-F1 [\d.]+ % on 24 validation rows", title)
    listed = {
        row.find_element(By.TAG_NAME, "dt").text: [one.text for one in row.find_elements(By.CLASS_NAME, "chip")]
        for row in page.find_elements(By.CSS_SELECTOR, "#examples-list > div")
    }
    assert set(listed) == {"up", "down"}
    assert "good" in listed["up"]
    for chip in page.find_elements(By.CLASS_NAME, "chip"):
        if chip.text == "good":
            chip.click()
    wait(page).until(lambda _: page.find_elements(By.CLASS_NAME, "verdict"))
    assert page.find_element(By.CLASS_NAME, "verdict").text == "up"
    assert page.find_element(By.ID, "texts").get_attribute("value") == "good"
    assert len({"good film", "the fine film", "good good", "fine!"} & set(listed["up"])) == 2  # the texts that it keeps


def test_a_text_of_several_paragraphs_is_one_text_in_a_box_of_its_own(page):
    page.execute_cdp_cmd("Input.insertText", {"text": "the good film\n\nlovely"})
    page.find_element(By.ID, "add").click()
    page.switch_to.active_element.send_keys("so bad")
    page.find_element(By.ID, "ask").click()
    wait(page).until(lambda _: page.find_elements(By.TAG_NAME, "article"))
    passages = page.find_elements(By.CLASS_NAME, "passage")
    assert [passage.get_attribute("textContent") for passage in passages] == ["the good film\n\nlovely", "so bad"]
    page.find_element(By.CSS_SELECTOR, ".box button").click()
    assert page.switch_to.active_element.get_attribute("id") == "texts"
    assert len(page.find_elements(By.CSS_SELECTOR, "textarea")) == 1


def test_the_page_says_unsure_where_the_model_abstains(page):
    choice = page.find_element(By.ID, "promise")
    Select(choice).select_by_value("0.99")  # more than 24 rows can promise
    (card,) = label_texts(page, "good film")
    assert card.find_element(By.CLASS_NAME, "verdict").text == "unsure perhaps up"
    Select(choice).select_by_value("")
    wait(page).until(lambda _: page.find_element(By.CLASS_NAME, "verdict").text == "up")


def test_no_share_reads_as_nothing_or_all_where_it_is_neither(page):
    script = """
        const done = arguments[arguments.length - 1];
        const shares = arguments[0];
        import("./elements.js").then(({ percent }) => done(shares.map(percent)));
    """
    assert page.execute_async_script(script, [0, 1e-9, 0.0004, 0.0006, 0.5, 0.9994, 0.99999, 1]) == [
        "0.0 %", "< 0.1 %", "< 0.1 %", "0.1 %", "50.0 %", "99.9 %", "> 99.9 %", "100.0 %",
    ]  # fmt: skip


def cells(page, table, column):
    return [cell.text for cell in page.find_elements(By.CSS_SELECTOR, f"#{table} tbody td:nth-child({column})")]


def test_a_table_is_shown_before_and_after_it_is_labelled(page, place):
    table = place / "half.csv"
    table.write_text('id;note;words\n1;"a; b";good film\n2;"two\nlines";so bad\n3;c;fine\n' + "4;d;ill\n" * 9)
    page.find_element(By.ID, "file").send_keys(str(table))
    wait(page).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#column option"))
    assert page.find_element(By.ID, "separator").get_attribute("value") == ";"
    assert cells(page, "preview-table", 2) == ["a; b", "two lines", "c", "d", "d"]
    page.find_element(By.CSS_SELECTOR, "#preview-table td:nth-child(3)").click()
    assert page.find_element(By.ID, "column").get_attribute("value") == "words"
    page.find_element(By.ID, "label-table").click()
    results = page.find_element(By.ID, "results")
    wait(page).until(lambda _: results.is_displayed())
    assert cells(page, "results-table", 1)[:3] == ["good film", "so bad", "fine"]
    assert cells(page, "results-table", 2)[:3] == ["up", "down", "down"]
    confidence = page.find_elements(By.CSS_SELECTOR, "#results-table .sort")[2]
    orders = []
    for order in ("ascending", "descending"):
        confidence.click()
        assert confidence.find_element(By.XPATH, "..").get_attribute("aria-sort") == order
        orders.append([float(share.strip("<> %")) for share in cells(page, "results-table", 3)])
    assert orders == [sorted(orders[0]), sorted(orders[0], reverse=True)]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_the_encoding_of_a_table_is_seen(encoding, page, place):
    table = place / f"{encoding}.csv"
    table.write_bytes("text,größe\ngood film,é\n".encode(encoding))
    assert send_table(page, table) == "1 row labelled."
    assert page.find_element(By.ID, "encoding").get_attribute("value") == encoding
    assert cells(page, "preview-table", 2) == ["é"]
    assert cells(page, "results-table", 4) == ["é"]


def test_json_lines_are_shown_with_their_names(page, place):
    table = place / "few.jsonl"
    table.write_text('{"n": 1, "text": "good"}\n{"text": "bad", "more": [1]}\n')
    assert send_table(page, table) == "2 rows labelled."
    assert not page.find_element(By.ID, "separator-choice").is_displayed()
    assert cells(page, "preview-table", 2) == ["good", "bad"]
    assert cells(page, "results-table", 2) == ["up", "down"]


def test_the_api_is_described_on_a_page_that_loads_nothing_from_elsewhere(page, service):
    page.get(f"http://127.0.0.1:{service.port}/docs")
    wait(page).until(lambda _: page.find_elements(By.CLASS_NAME, "operation"))
    shown = [one.text for one in page.find_elements(By.CSS_SELECTOR, ".operation h2")]
    assert shown == ["POST /predict", "POST /explain", "POST /label", "GET /models", "GET /examples", "GET /healthz",
                     "GET /metrics"]  # fmt: skip
    label = page.find_element(By.ID, "label").text
    assert "csv, tsv, jsonl" in label
    assert "predictions[].confidence" in page.find_element(By.ID, "predict").text
    assert find_faint_text(page) == []
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
