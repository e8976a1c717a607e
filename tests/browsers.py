"""A browser for tests of pages, where one is installed: one for all of them, of which each module gets a fresh tab."""

import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def open_browser():
    """Return a browser; skip the test where none is installed."""
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium with chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--in-process-gpu", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--window-size=1280,1000",
                     # Pages share a process: one for each page takes half as long again.
                     "--disable-features=SpareRendererForSitePerProcess,site-per-process,IsolateOrigins",
                     "--disable-site-isolation-trials"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


def fresh_tab(browser, folder):
    """Return the browser with an empty tab alone, which looks as at first; what is saved there goes into the folder."""
    old = browser.current_window_handle
    browser.switch_to.new_window("tab")
    fresh = browser.current_window_handle
    browser.switch_to.window(old)
    browser.close()
    browser.switch_to.window(fresh)
    saving = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", saving)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    return browser


def wait(browser):
    return WebDriverWait(browser, 60, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])


def label_texts(page, text):
    """Label the lines of a text, each a text of its own; return the cards of the answers."""
    if ("\n" in text) != page.find_element(By.ID, "lines").is_selected():
        page.find_element(By.ID, "lines").click()
    page.find_element(By.ID, "texts").click()
    page.execute_cdp_cmd("Input.insertText", {"text": text})  # as pasted: keys cannot be pressed for every character
    page.find_element(By.ID, "ask").click()
    wait(page).until(lambda _: "labelled" in page.find_element(By.ID, "status").text)
    return page.find_elements(By.CSS_SELECTOR, "article")


_FIND_FAINT_TEXT = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const over = (top, below) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map((i) => alpha * top[i] + (1 - alpha) * below[i]);
};
const luminance = (colour) => colour
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
const isHere = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;  // 1: read out only
const paper = (element) => (!element ? [255, 255, 255]
    : over(channels(getComputedStyle(element).backgroundColor), paper(element.parentElement)));
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isHere(element)) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const below = paper(element);
    const [light, dark] = [luminance(over(channels(ink), below)), luminance(below)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (isLarge ? 3 : 4.5) && !element.closest(":disabled")) {
        faint.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className.baseVal ?? element.className}`);
    }
}
return [...faint];
"""


def find_faint_text(browser):
    """Return the elements whose text has less contrast than WCAG 2.2 AA asks for (criterion 1.4.3)."""
    return browser.execute_script(_FIND_FAINT_TEXT)


def press(browser, key, times):
    """Press a key so many times; return the name of what has the focus after each."""
    reached = []
    for _ in range(times):
        webdriver.ActionChains(browser).send_keys(getattr(Keys, key)).perform()
        reached.append(
            browser.execute_script(
                "const a = document.activeElement; return a.ariaLabel || a.id || a.innerText.split(/\\s+/).join(' ')"
            )
        )
    return reached
