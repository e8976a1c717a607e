"""The page does what its users do, in a browser, without an error in its console and with nothing from elsewhere."""

import re
import time

import pytest
from browsers import BROWSER, DRIVER, label_texts, open_browser, wait, webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from serving import running, save_model

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium here")

EVIL = '<img src=x onerror="document.title=1">{{7*7}}'
TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    save_model(folder / "one.safetensors")
    save_model(folder / "two.safetensors", labels=("down", "up"))  # says the opposite
    save_model(folder / "evil.safetensors", labels=(EVIL, "plain"))
    return folder


@pytest.fixture(scope="module")
def service(place):
    with running({name: place / f"{name}.safetensors" for name in ("one", "two", "evil")}) as made:
        yield made


@pytest.fixture(scope="module")
def browser(place):
    opened = open_browser(place)
    yield opened
    opened.quit()


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
    assert sum(float(share.rstrip(" %")) for share in shares) == pytest.approx(100, abs=0.2)
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
    for _ in range(9):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(page.switch_to.active_element.get_attribute("id"))
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        if reached[-1] not in ("file", ""):
            assert page.execute_script(outline) != "none"
    assert reached[:3] == ["ask", "file", "column"]


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
    page.find_element(By.ID, "column").send_keys(column)
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
    wait(browser).until(lambda _: status.text == "1 rows labelled, 1 passed over.")


def test_the_page_fits_a_phone_and_follows_dark_and_light(page):
    label_texts(page, f"good film {'x' * 300}\n{'bad film ' * 40}")
    for width in (390, 320):
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    colours = []
    for scheme in ("dark", "light"):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
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
