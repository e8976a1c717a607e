"""Where a system has no limits for a process, or refuses one, the work goes on without: Windows, macOS."""

import resource
import sys

import pytest

from textclf.tables import reader_child
from textclf.tuning import trial_worker
from textclf.vectors import fasttext_child

SETTERS = [
    (fasttext_child._limit_memory, (1 << 40,)),
    (reader_child._set_limits, (1 << 40, 1000)),
    (trial_worker._limit_memory, ()),
]


@pytest.mark.parametrize(("set_limits", "arguments"), SETTERS[:2])
@pytest.mark.parametrize("error", [OSError(22, "Invalid argument"), ValueError("current limit exceeds maximum limit")])
def test_a_limit_that_the_system_refuses_is_left_out_and_the_others_are_set(set_limits, arguments, error, monkeypatch):
    asked = []

    def refuse_memory(kind, _limits):
        asked.append(kind)
        if kind == resource.RLIMIT_AS:
            raise error

    monkeypatch.setattr(resource, "setrlimit", refuse_memory)
    set_limits(*arguments)
    assert {resource.RLIMIT_AS, resource.RLIMIT_CORE} <= set(asked)


@pytest.mark.parametrize(("set_limits", "arguments"), SETTERS)
def test_on_windows_no_limit_is_asked_for(set_limits, arguments, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    set_limits(*arguments)


def test_on_macos_the_workers_of_a_search_have_no_bound(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("a limit was set"))
    trial_worker._limit_memory()
