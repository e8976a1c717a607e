"""Models of every kind, trained once for all tests of exports."""

import pytest
from small_models import KINDS, trained


@pytest.fixture(scope="session")
def models():
    return {name: trained(**settings) for name, settings in KINDS.items()}


@pytest.fixture(scope="session")
def model(models):
    return models["plain"]
