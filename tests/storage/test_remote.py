"""Files on the network: what is missing is named, with what to install."""

import builtins
import re

import pytest

from textclf.errors import DataError
from textclf.storage.remote import open_filesystem


def test_a_plain_install_says_what_a_url_needs(monkeypatch):
    load = builtins.__import__

    def without_fsspec(name, *more):
        if name.partition(".")[0] == "fsspec":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return load(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_fsspec)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    needed = re.escape("expected the packages that read https, found one missing (No module named 'fsspec.core').")
    with pytest.raises(DataError, match=needed + r' Install them with: pip install "textclf-nn\[url\]"\.'):
        open_filesystem("https://localhost/t.csv")
