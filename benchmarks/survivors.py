"""Change the readers' code in one place at a time, run their tests, and list the changes that no test notices.

    python benchmarks/survivors.py                          300 changes, drawn from all that can be made
    python benchmarks/survivors.py --seed 2 --count 60 scan  of some modules, another draw
    python benchmarks/survivors.py scan.py:120: lines.py:44:  all changes of these lines

A change is a comparison, an operator, a number, a condition, a result or a statement that is another one or is gone;
annotations, messages and raised errors' texts are left alone. Each runs in a process of its own over a copy of the
tree, two at once, up to the first test that fails: those that noticed another change of the module come first, then the
quickest. What is listed has passed all tests of its reader. Noticed by the time is what needs, in one test, ten times
the processor time that the test needs without change and ten seconds more, or what waits for ever. What is listed is
looked at: it says what a test lacks, or that the code does not need what was changed.
"""

import argparse
import ast
import copy
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
MOST_MEMORY = 6 << 30
TABLES = [
    *(f"tests/tables/{path.name}" for path in sorted((ROOT / "tests" / "tables").glob("test_*.py"))),
    "tests/hostile/test_row_law.py", "tests/hostile/test_hostile_tables.py", "tests/test_fuzz_targets.py",
]  # fmt: skip
VECTORS = ["tests/vectors/test_vectors.py", "tests/vectors/test_scan.py", "tests/hostile/test_hostile_vectors.py"]
MODELS = [
    "tests/model/test_file.py", "tests/model/test_card.py", "tests/model/test_model.py",
    "tests/hostile/test_hostile_models.py",
]  # fmt: skip
MODULES = {
    **{f"tables/{path.name}": TABLES for path in sorted((ROOT / "textclf" / "tables").glob("[a-z]*.py"))},
    "vectors/scan.py": VECTORS,
    "vectors/layouts.py": VECTORS,
    "model/file.py": MODELS,
    "model/card.py": MODELS,
}
OTHERS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.BitAnd: ast.BitOr, ast.BitXor: ast.BitAnd, ast.BitOr: ast.BitAnd,
}  # fmt: skip


class Change(NamedTuple):
    """A module with one place changed."""

    module: str
    line: int
    what: str
    source: str


class Place(NamedTuple):
    """Where a node stands: in a field of its parent, at a number where that is a list."""

    parent: ast.AST
    field: str
    number: int | None
    node: ast.AST

    def put(self, node: ast.AST) -> None:
        if self.number is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.number] = node


def changes(module: str) -> list[Change]:
    """Return all changes of a module."""
    tree = ast.parse((ROOT / "textclf" / module).read_text("utf-8"))
    found = []
    for place in list(_code(tree)):
        for other in _others(place.node):
            place.put(ast.fix_missing_locations(ast.copy_location(other, place.node)))
            found.append(
                Change(module, place.node.lineno, f"{_said(place.node)}  ->  {_said(other)}", ast.unparse(tree))
            )
            place.put(place.node)
    return found


def _said(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:70]


def _code(parent: ast.AST) -> Iterator[Place]:
    """Give the nodes that do something: no annotations, documentation or messages."""
    for name, value in ast.iter_fields(parent):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for number, node in enumerate(value if isinstance(value, list) else [value]):
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if (
                not isinstance(node, ast.AST)
                or is_text
                or isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)
                or (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal")
            ):
                continue
            if isinstance(node, ast.expr | ast.stmt):
                yield Place(parent, name, number if isinstance(value, list) else None, node)
            if not isinstance(node, ast.Raise):
                yield from _code(node)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _others(node: ast.AST) -> list[ast.AST]:  # noqa: C901 -- a table of kinds
    """Return what a node may be changed into."""
    match node:
        case ast.Compare(ops=ops):
            return [_with(node, ops=[*ops[:at], OTHERS[type(op)](), *ops[at + 1 :]]) for at, op in enumerate(ops)]
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OTHERS:
            return [_with(node, op=OTHERS[type(op)]())]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            return [node.operand]
        case ast.Constant(value=bool()):
            return [ast.Constant(not node.value)]
        case ast.Constant(value=int()):
            return [ast.Constant(node.value + 1)]
        case ast.Constant(value=bytes()):
            return [ast.Constant(node.value + b"X")]
        case ast.Constant(value=str()) if len(node.value.split()) < 3:  # longer ones are messages
            return [ast.Constant(node.value + "X")]
        case ast.If() | ast.While() | ast.IfExp():
            return [_with(node, test=ast.UnaryOp(ast.Not(), node.test))]
        case ast.Return(value=ast.expr()) if ast.unparse(node) != "return None":
            return [_with(node, value=ast.Constant(None))]
        case ast.ListComp(generators=parts) | ast.SetComp(generators=parts) | ast.GeneratorExp(generators=parts):
            return [
                _with(node, generators=[*parts[:at], _with(part, ifs=[]), *parts[at + 1 :]])
                for at, part in enumerate(parts)
                if part.ifs
            ]
        case ast.Raise() | ast.Expr() | ast.Break() | ast.Continue():
            return [ast.Pass()]
    return []


@dataclass
class Suite:
    """The tests of a reader: how long each takes without change, and the whole by the clock; which noticed what."""

    files: list[str]
    usual: dict[str, float] = field(default_factory=dict)
    whole: float = 300.0
    found: Counter[str] = field(default_factory=Counter)
    told: int = -1

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the telling tests first, then the quick ones."""
        items.sort(key=lambda item: (-self.found[item.nodeid], self.usual.get(item.nodeid, 0.0)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Give a test its time; it is the kernel that ends the process."""
        if self.usual:
            signal.setitimer(signal.ITIMER_PROF, 10 + 10 * self.usual.get(nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note for the parent how long a test took, or that it failed."""
        os.write(self.told, f"{report.duration} {report.outcome} {report.nodeid}\n".encode())  # tests patch files


class Running:
    """A change whose tests run in a child, over a tree of their own."""

    def __init__(self, change: Change, suite: Suite, tree: Path) -> None:
        self.change, self.suite, self.tree = change, suite, tree
        self.place = tree / "textclf" / change.module
        self.unchanged = self.place.read_bytes()
        self.place.write_text(change.source, "utf-8")
        (tree / "told.txt").write_text("")
        self.began = time.monotonic()
        self.child = os.fork()
        if not self.child:
            _test(suite, tree)

    def outcome(self) -> str | None:
        """Return what noticed the change: a test, the time, or nothing (an empty string); None while tests run."""
        ended, status = os.waitpid(self.child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
        if not ended:
            if time.monotonic() - self.began < 5 * self.suite.whole + 30:
                return None
            os.killpg(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        self.place.write_bytes(self.unchanged)
        self.suite.found.update(test for _, told, test in self.told() if told == "failed")
        return "the time" if code in (None, -signal.SIGPROF) else "a test" if code else ""

    def told(self) -> list[list[str]]:
        """Return what the child told of each step of each test: its time, its outcome, its name."""
        return [line.split(" ", 2) for line in (self.tree / "told.txt").read_text("utf-8").splitlines()]


def _test(suite: Suite, tree: Path) -> None:
    """Run tests in this process, which has the libraries already, and end it."""
    os.setpgid(0, 0)
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    tempfile.tempdir = str(tree / "tmp")
    os.environ |= {"PYTHONPATH": str(tree), "TMPDIR": tempfile.tempdir}
    sys.dont_write_bytecode = bool(suite.usual)  # what is compiled without change serves all, the change is not kept
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.RLIM_INFINITY))  # children may set their own
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    suite.told = os.open("told.txt", os.O_WRONLY | os.O_APPEND)
    code = 1
    try:
        stop_soon = ["-x"] if suite.usual else []
        basetemp = f"--basetemp={tree / 'tmp' / 'pytest'}"
        code = int(pytest.main([*stop_soon, basetemp, "-q", "-p", "no:cacheprovider", *suite.files], [suite]))
    finally:
        os._exit(code)


def _copied(tree: Path) -> Path:
    """Copy what the tests need to a folder."""
    (tree / "tmp").mkdir(parents=True)
    folders = ("textclf", "tests", "data", "models", "docs", "benchmarks", "pyproject.toml", "Makefile", "README.md")
    for name in folders:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tree / name)
    return tree


def _measured(module: str, suite: Suite, tree: Path) -> None:
    """Learn how long the tests take without change, and see that they pass, in the order of learning and sorted."""
    unchanged = Change(module, 0, "", (ROOT / "textclf" / module).read_text("utf-8"))
    for _ in range(2):
        running = Running(unchanged, suite, tree)
        while (found := running.outcome()) is None:
            time.sleep(0.05)
        if found:
            failed = ", ".join(list(suite.found)[:3])
            sys.exit(f"the tests of {module} do not pass without any change, says {found} ({failed})")
        suite.whole = max(suite.whole if suite.usual else 0.0, time.monotonic() - running.began)
        for duration, _, test in [] if suite.usual else running.told():
            suite.usual[test] = suite.usual.get(test, 0.0) + float(duration)


def _outcomes(drawn: list[Change], suites: dict[str, Suite], trees: list[Path]) -> Iterator[tuple[Change, str]]:
    """Run the changes, one in each tree at a time, and give each with its outcome."""
    waiting, free = drawn[::-1], list(trees)
    at_work: list[Running] = []
    while waiting or at_work:
        if waiting and free:
            change = waiting.pop()
            at_work.append(Running(change, suites[change.module], free.pop()))
            continue
        time.sleep(0.05)
        for running in list(at_work):
            if (found := running.outcome()) is not None:
                at_work.remove(running)
                free.append(running.tree)
                yield running.change, found


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of the modules' paths, lines too; all modules when left out")
    parser.add_argument("--count", type=int, default=300, help="changes to draw (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    all_of_them = [
        change
        for module in MODULES
        for change in changes(module)
        if not given.names or any(part in f"{module}:{change.line}:" for part in given.names)
    ]
    drawn = random.Random(given.seed).sample(all_of_them, min(given.count, len(all_of_them)))
    made = {tuple(files): Suite(files) for files in MODULES.values()}
    suites = {module: made[tuple(files)] for module, files in MODULES.items()}
    outcomes: dict[str, Counter[str]] = {module: Counter() for module in MODULES}
    with tempfile.TemporaryDirectory() as folder:
        tree = _copied(Path(folder) / "a")
        for module in {id(suites[change.module]): change.module for change in drawn}.values():
            _measured(module, suites[module], tree)
        other = Path(shutil.copytree(tree, Path(folder) / "b", ignore=shutil.ignore_patterns("tmp")))
        (other / "tmp").mkdir()
        for change, found in _outcomes(sorted(drawn), suites, [tree, other]):
            outcomes[change.module][found] += 1
            if not found:
                print(f"{change.module}:{change.line}: {change.what}", flush=True)
    print("\n| module | changes | noticed | of them by the time | share |\n|---|---|---|---|---|")
    total: Counter[str] = sum(outcomes.values(), Counter())
    for module, counted in [*outcomes.items(), ("all", total)]:
        if counted:
            seen = counted.total() - counted[""]
            share = seen / counted.total()
            print(f"| {module} | {counted.total()} | {seen} | {counted['the time']} | {share:.0%} |")
    print(f"\n{len(drawn)} of {len(all_of_them)} changes, seed {given.seed}")
    return 0


if __name__ == "__main__":
    import gensim.models  # noqa: F401 -- before the forks: they take longest
    import polars  # noqa: F401
    import safetensors.numpy  # noqa: F401

    sys.exit(main())
