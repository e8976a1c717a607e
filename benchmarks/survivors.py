"""Change the readers' code in one place at a time, run their tests, and list the changes that no test notices.

    python benchmarks/survivors.py                         300 changes, drawn from all that can be made
    python benchmarks/survivors.py --count 60 scan records  of some modules

A change is a comparison, an operator, a number, a condition, a result or a statement that is another one or is gone;
messages are left alone. Each runs in a process of its own over a copy of the tree, up to the first test that fails;
one that runs for over `--longest` seconds counts as noticed. What is left is looked at: it says what a test lacks, or
that the code does not need what was changed.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TABLES = [
    "tests/test_tables_csv.py", "tests/test_tables_formats.py", "tests/test_tables_writer.py",
    "tests/hostile/test_row_law.py", "tests/hostile/test_hostile_tables.py", "tests/test_fuzz_targets.py",
]  # fmt: skip
VECTORS = ["tests/test_vectors.py", "tests/hostile/test_hostile_vectors.py"]
MODELS = [
    "tests/test_model_file.py", "tests/test_model_parts.py", "tests/hostile/test_hostile_models.py",
    "tests/test_model.py",
]  # fmt: skip
MODULES = {
    **{f"tables/{path.name}": TABLES for path in sorted((ROOT / "textclf" / "tables").glob("[a-z]*.py"))},
    "vectors/scan.py": VECTORS,
    "vectors/records.py": VECTORS,
    "model_file.py": MODELS,
    "model_parts.py": MODELS,
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
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for number, node in enumerate(value if isinstance(value, list) else [value]):
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if (
                not isinstance(node, ast.AST)
                or is_text
                or isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)
            ):
                continue
            if isinstance(node, ast.expr | ast.stmt):
                yield Place(parent, field, number if isinstance(value, list) else None, node)
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
        case ast.Constant(value=str()):
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


def noticed(change: Change, longest: float, tree: Path) -> str:
    """Run the tests of a change and return what noticed it: a test, the time, or nothing (an empty string)."""
    path = tree / "textclf" / change.module
    path.write_text(change.source, "utf-8")
    child = os.fork()
    if not child:
        _test(MODULES[change.module], tree)
    began, status = time.monotonic(), None
    while status is None:
        time.sleep(0.05)
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = "" if code == 0 else "a test"
        elif time.monotonic() - began > longest:
            os.killpg(child, 9)
            os.waitpid(child, 0)
            status = "the time"
    shutil.copyfile(ROOT / "textclf" / change.module, path)
    return status


def _test(tests: list[str], tree: Path) -> None:
    """Run tests in this process, which has the libraries already, and end it."""
    os.setpgid(0, 0)
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ |= {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(ROOT / ".pytest_cache" / "numba")}
    sys.dont_write_bytecode = True
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    code = 1
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(code)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of the modules' paths; all modules when left out")
    parser.add_argument("--count", type=int, default=300, help="changes to draw (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=240.0, help="seconds for the tests of a change (default 240)")
    given = parser.parse_args()
    chosen = [name for name in MODULES if not given.names or any(part in name for part in given.names)]
    all_of_them = [change for module in chosen for change in changes(module)]
    drawn = random.Random(given.seed).sample(all_of_them, min(given.count, len(all_of_them)))
    outcomes: dict[str, Counter[str]] = {module: Counter() for module in chosen}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in (
            "textclf",
            "tests",
            "data",
            "models",
            "docs",
            "benchmarks",
            "pyproject.toml",
            "Makefile",
            "README.md",
        ):
            source = ROOT / name
            copied = shutil.copytree if source.is_dir() else shutil.copyfile
            copied(source, tree / name)
        for module in {tuple(MODULES[change.module]): change.module for change in drawn}.values():
            unchanged = Change(module, 0, "", (ROOT / "textclf" / module).read_text("utf-8"))
            if found := noticed(unchanged, given.longest, tree):
                sys.exit(f"the tests of {module} do not pass without any change, says {found}")
        for change in sorted(drawn):
            found = noticed(change, given.longest, tree)
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
    import gensim.models  # noqa: F401 -- before the forks: it takes longest
    import numpy as np  # noqa: F401
    import pytest
    import safetensors.numpy  # noqa: F401

    sys.exit(main())
