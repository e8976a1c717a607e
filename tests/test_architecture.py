"""The code keeps to the floors of docs/architecture.md, and the rules that no linter knows."""

import ast
import functools
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = {path: path.read_text("utf-8") for path in sorted((ROOT / "textclf").rglob("*.py"))}


@functools.cache
def modules():
    """Return the tree of each file of the package."""
    return {path: ast.parse(source) for path, source in SOURCES.items()}


def floors():
    """Read the table of floors: room to floor."""
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", table, re.MULTILINE)
    return {room.rstrip("/"): int(floor) for floor, rooms in rows for room in re.findall(r"`(.+?)`", rooms)}


FLOORS = floors()


def room(module):
    """Return the room of a dotted name: textclf.cli.commands.train is in cli."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(tree):
    """Return the modules of textclf that a file imports, wherever it does."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return [name for name in names if name.startswith("textclf.")]


def own_room(path):
    return path.relative_to(ROOT / "textclf").parts[0].removesuffix(".py")


def test_a_module_imports_only_from_the_floors_below_it():
    for path, tree in modules().items():
        own = own_room(path)
        if own in {"__init__", "__main__"}:
            continue
        assert own in FLOORS, f"{own} has no floor in docs/architecture.md"
        for name in imports(tree):
            other = room(name)
            assert other == own or FLOORS[other] < FLOORS[own], f"{path.relative_to(ROOT)} imports {name}"


def test_every_room_of_the_table_exists():
    assert {own_room(path) for path in modules()} - {"__init__", "__main__"} == set(FLOORS)


def test_the_page_says_what_every_file_is_for():
    tree = re.search(r"```text\n(textclf/\n.*?)```", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.DOTALL)
    parents, told = [], set()
    for line in tree[1].splitlines():
        name, _, purpose = line.strip().partition(" ")
        parents[(len(line) - len(line.lstrip())) // 2 :] = [name.rstrip("/")]
        if not name.endswith("/"):
            assert purpose.strip(), line
            told.add("/".join(parents))
    here = (ROOT / "textclf").rglob("*.*")
    assert told == {str(path.relative_to(ROOT)) for path in here if path.suffix not in {".pyc", ".gz"}}


ENTRIES = {"command", "main"}
"""Every file of a command has the one, every program the other: one meaning in many files."""


def definitions(kinds):
    """Return where each class or function of a module's own level is defined, by its name without underscores."""
    places = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, kinds):
                places[node.name].append(str(path.relative_to(ROOT)))
    return places


def test_the_name_of_a_class_stands_for_one_thing():
    places = defaultdict(list)
    for name, paths in definitions(ast.ClassDef).items():
        places[name.strip("_")] += paths
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_the_name_of_a_public_function_stands_for_one_thing():
    places = definitions((ast.FunctionDef, ast.AsyncFunctionDef))
    public = {name: paths for name, paths in places.items() if not name.startswith("_") and name not in ENTRIES}
    assert {name: paths for name, paths in public.items() if len(paths) > 1} == {}


def test_the_name_of_a_module_stands_for_one_thing():
    places = defaultdict(list)
    for path in modules():
        if path.stem != "__init__" and path.parent.name != "commands":  # a command has the name of what it does
            places[path.stem].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_nothing_read_can_run_and_nothing_random_is_global():
    for path, tree in modules().items():
        for node in ast.walk(tree):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                named = {alias.name.split(".")[0] for alias in node.names}
                assert not named & {"pickle", "marshal", "shelve", "random"}, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "__import__"}, where
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("np.random."):
                assert node.attr in {"default_rng", "Generator"}, where
        assert "allow_pickle=True" not in SOURCES[path], path.relative_to(ROOT)


def test_every_expected_error_says_which_words_it_has():
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises":
                assert "match" in {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}"
