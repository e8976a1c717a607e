"""The package is named as it can be installed, and what is not everybody's is an extra that exists."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from textclf import __version__
from textclf.cli import run
from textclf.errors import DISTRIBUTION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TEXTS = [
    path
    for folder in ("textclf", "docs", "README.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "pyproject.toml")
    for path in ([ROOT / folder] if (ROOT / folder).is_file() else (ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".toml", ".html", ""} and path.is_file()
]


def test_nothing_advises_to_install_a_package_of_another_owner():
    old_form = re.compile(r"pip install [^\n`]*?[\"' ]textclf(?![-\w/.])|[\"']textclf\[")
    assert PROJECT["name"] == DISTRIBUTION
    assert old_form.search('pip install "textclf[serve]"')
    assert not old_form.search('pip install "textclf-nn[serve]"')
    found = [(path.name, hit[0]) for path in TEXTS for hit in old_form.finditer(path.read_text("utf-8"))]
    assert found == []


def test_the_long_description_has_the_readme_with_links_that_lead_somewhere_from_anywhere():
    written = ProjectMetadata(str(ROOT), PluginManager()).core.readme
    address = f"{PROJECT['urls']['Source']}/"
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", written)
    assert len(links) == len(re.findall(r"\]\(", written)) > 20
    assert all(target.startswith(("https://", "#")) for _, target in links)
    ours = [(mark, target.removeprefix(address)) for mark, target in links if target.startswith(address)]
    for mark, target in ours:
        kind, version, path = target.split("/", 2)
        assert (kind, version) == ("raw" if mark else "blob", f"v{__version__}")
        assert (ROOT / path.partition("#")[0]).is_file()
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(ours) == len(re.findall(r"\]\((?!https?://|#)", readme)), "the README's own links are relative"
    assert "href=" not in written
    assert "src=" not in written


def test_the_projects_address_stands_in_one_file():
    address = PROJECT["urls"]["Source"].partition("://")[2]
    assert [path.name for path in TEXTS if address in path.read_text("utf-8")] == ["pyproject.toml"]


def test_commands_are_quoted_for_every_shell():
    single = re.compile(
        r"(?:pip install|textclf (?:train|predict|evaluate|check|compare)) [^\n`\"',]*'"
    )  # in cmd.exe a part of the word
    assert single.search("textclf train 'parts/*.csv'")
    assert not single.search('pip install "textclf-nn[serve]"')
    found = [
        (path.name, hit[0])
        for path in TEXTS
        if path.name != "Makefile"
        for hit in single.finditer(path.read_text("utf-8"))
    ]
    assert found == []


def test_every_extra_that_a_message_names_exists():
    call = re.compile(r'require_packages\([^)]*extra="(\w+)"')
    named = {extra for path in TEXTS if path.suffix == ".py" for extra in call.findall(path.read_text("utf-8"))}
    assert named - set(PROJECT["optional-dependencies"]) == set()
    assert {"parquet", "serve"} <= named


def test_the_types_are_told_to_those_who_import_the_package():
    assert (ROOT / "textclf" / "py.typed").read_bytes() == b""


def test_parquet_is_refused_with_the_extra_to_install_where_polars_is_not_there(tmp_path, capsys, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(20))
    (tmp_path / "t.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 5)
    (tmp_path / "new.csv").write_text("text\ngood\n")
    monkeypatch.setattr("textclf.errors.find_spec", lambda name: None if name == "polars" else find_spec(name))
    model = str(tmp_path / "m")
    assert run(["train", str(tmp_path / "t.csv"), "-o", model, "--vectors", "none", "-q", "--recipe", "fast"]) == 0
    for command in (
        ["train", str(tmp_path / "t.parquet"), "-o", str(tmp_path / "m2")],
        ["predict", model, "-i", str(tmp_path / "new.csv"), "-o", str(tmp_path / "o.parquet")],
    ):
        assert run(command) == 1
        assert f'polars not found. Install them with: pip install "{DISTRIBUTION}[parquet]"' in capsys.readouterr().err
    assert not (tmp_path / "o.parquet").exists()
    assert run(["predict", model, "-i", str(tmp_path / "new.csv"), "-o", str(tmp_path / "o.csv")]) == 0


def test_the_citation_names_the_version_that_is_installed():
    citation = dict(
        line.split(": ", 1) for line in (ROOT / "CITATION.cff").read_text("utf-8").splitlines() if ": " in line
    )
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]


def test_the_container_runs_the_service_without_rights_from_files_that_are_there():
    lines = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text("utf-8")).splitlines()
    steps = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    copied = [part for step, rest in steps if step == "COPY" and "--from" not in rest for part in rest.split()[:-1]]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in copied)
    assert sorted(copied) == sorted(kept)
    final = dict(steps[[step for step, _ in steps].index("FROM", 1) :])
    assert final["USER"].isdecimal()
    command = json.loads(final["ENTRYPOINT"])
    assert command[command.index("--port") + 1] == final["EXPOSE"]
    assert f"127.0.0.1:{final['EXPOSE']}/healthz" in final["HEALTHCHECK"]
    assert "GET /healthz" in (ROOT / "docs" / "reference" / "service.md").read_text("utf-8")
    assert run([*command[1:], "--help"]) == 0


def test_the_shell_completes_commands_and_options():
    words = {"textclf pre": "plain,predict", "textclf train --optim": "plain,--optimizer"}
    for typed, completed in words.items():
        asked = {"_TEXTCLF_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
        done = subprocess.run(
            [sys.executable, "-m", "textclf"], env={**os.environ, **asked}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == completed


@pytest.mark.parametrize("package", ["numpy", "scipy", "click"])
def test_what_everybody_needs_is_no_extra(package):
    assert any(dependency.startswith(package) for dependency in PROJECT["dependencies"])
