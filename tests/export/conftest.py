"""Models of every kind, trained once for all tests of exports, and a folder with one of them."""

import pytest
from small_models import KINDS, LABELS, TEXTS, trained


@pytest.fixture(scope="session")
def models():
    return {name: trained(**settings) for name, settings in KINDS.items()}


@pytest.fixture(scope="session")
def model(models):
    return models["plain"]


@pytest.fixture
def folder(model, tmp_path, monkeypatch):
    """Return the working folder: a model's file, and a table of labelled rows."""
    monkeypatch.chdir(tmp_path)
    model.save(tmp_path / "m.safetensors")
    lines = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "valid.csv").write_text("\n".join(["text,label", *lines]) + "\n", "utf-8")
    return tmp_path
