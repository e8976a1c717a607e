"""A browser for tests of pages, where one is installed."""

import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def open_browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--window-size=1280,1000"):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


def wait(browser):
    return WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException])


def label_texts(page, text):
    """Label the lines of a text, each a text of its own; return the cards of the answers."""
    if ("\n" in text) != page.find_element(By.ID, "lines").is_selected():
        page.find_element(By.ID, "lines").click()
    page.find_element(By.ID, "texts").click()
    page.execute_cdp_cmd("Input.insertText", {"text": text})  # as pasted: keys cannot be pressed for every character
    page.find_element(By.ID, "ask").click()
    wait(page).until(lambda _: "labelled" in page.find_element(By.ID, "status").text)
    return page.find_elements(By.CSS_SELECTOR, "article")
