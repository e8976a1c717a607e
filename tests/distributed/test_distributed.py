"""Many files, in this process, in several, and on a cluster: labelled once each, whatever happens on the way."""

import json
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from textclf.cli import run
from textclf.distributed import LabelJob, Serial, dask_engine, find_shards, label, predict
from textclf.distributed.corpus_counts import HeavyHitters
from textclf.distributed.engines import DaskEngine
from textclf.distributed.shards import Folder
from textclf.errors import DataError, ModelError, OutputError, TextclfError
from textclf.model.decision import OWN_RULE
from textclf.storage.files import sha256
from textclf.tables import TableOptions

ROOT = Path(__file__).parents[2]
ROWS = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    table = ROOT / "data" / "reviews-train.csv"
    assert run(["train", str(table), "-o", str(path), "--vectors", "none", "--recipe", "fast", "--quiet"]) == 0
    return path


@pytest.fixture
def shards(tmp_path):
    """Six tables of 40 reviews in two folders."""
    header, *rows = (ROOT / "data" / "reviews-test.csv").read_text("utf-8").splitlines()
    folder = tmp_path / "in"
    for number in range(6):
        path = folder / ("even" if number % 2 == 0 else "odd") / f"part-{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen = [rows[(number * ROWS + i) % len(rows)] for i in range(ROWS)]
        path.write_text("\n".join([header, *chosen]) + "\n", "utf-8")
    return folder


def job(engine, model, folder, **options):
    digest = sha256(model)
    return LabelJob(engine.share(model, digest), digest, TableOptions(**options), None, False, OWN_RULE, str(folder))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")}


def one_by_one(model, shards, tmp_path):
    """Return what `predict -i FILE -o FILE` makes of each file."""
    expected = {}
    for path in shards.rglob("*.csv"):
        output = tmp_path / f"single-{path.name}"
        assert run(["predict", str(model), "-i", str(path), "-o", str(output), "--quiet"]) == 0
        expected[path.relative_to(shards).as_posix()] = output.read_bytes()
    return expected


def test_a_folder_of_files_is_labelled_as_each_file_by_itself(model, shards, tmp_path, capsys):
    assert run(["predict", str(model), "-i", str(shards), "-o", str(tmp_path / "out")]) == 0
    assert "240 rows of 6 files labelled, 0 skipped" in capsys.readouterr().err
    assert contents(tmp_path / "out") == one_by_one(model, shards, tmp_path)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert (manifest["rows"], manifest["refused"], manifest["set_aside"]) == (240, 0, [])
    assert manifest["model"] == sha256(model)
    for entry in manifest["files"]:
        assert entry["rows"] == ROWS
        assert entry["sha256"] == sha256(tmp_path / "out" / entry["output"])


def test_processes_write_the_same_bytes_as_one_and_a_lost_worker_costs_no_row(model, shards, tmp_path):
    expected = one_by_one(model, shards, tmp_path)
    with dask_engine(workers=2) as engine:
        victims = list(engine._client.run(os.getpid).values())
        threading.Timer(0.05, os.kill, (victims[0], signal.SIGKILL)).start()
        done = label(engine, find_shards(str(shards)), job(engine, model, tmp_path / "out"))
    assert done.rows == 240
    assert contents(tmp_path / "out") == expected
    assert not list((tmp_path / "out").rglob("*.textclf-part"))
    for _ in range(50):
        if not any(_is_alive(victim) for victim in victims):
            break
        time.sleep(0.1)
    assert not any(_is_alive(victim) for victim in victims)


def _is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_run_that_was_stopped_goes_on_where_it_was(model, shards, tmp_path):
    class Stopping(Serial):
        def run(self, job, tasks):
            for number, pair in enumerate(super().run(job, tasks)):
                if number == 3:
                    raise KeyboardInterrupt("stopped")
                yield pair

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        label(Stopping(), find_shards(str(shards)), job(Serial(), model, out))
    assert not (out / "manifest.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("*.csv")}
    broken, *rest = finished
    broken.write_bytes(broken.read_bytes()[:-5])
    label(Serial(), find_shards(str(shards)), job(Serial(), model, out))
    assert all(path.stat().st_mtime_ns == finished[path] for path in rest)
    assert contents(out) == one_by_one(model, shards, tmp_path)


def test_what_was_made_with_other_settings_or_from_another_file_is_made_anew(model, shards, tmp_path):
    out, table = tmp_path / "out", next(iter(sorted(shards.rglob("*.csv"))))
    label(Serial(), find_shards(str(shards)), job(Serial(), model, out))
    lines = table.read_text("utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:-1]), "utf-8")
    assert label(Serial(), find_shards(str(shards)), job(Serial(), model, out)).rows == 239
    assert run(["predict", str(model), "-i", str(shards), "-o", str(out), "--proba", "--quiet"]) == 0
    assert all(b"p_positive" in content for content in contents(out).values())


def test_a_damaged_file_ends_the_run_with_its_name_or_is_set_aside(model, shards, tmp_path, capsys):
    (shards / "bad.csv").write_text('text,label\n"open,positive\n', "utf-8")
    arguments = ["predict", str(model), "-i", str(shards), "-o", str(tmp_path / "out"), "--quiet"]
    assert run(arguments) == 1
    assert "bad.csv:2: expected a closing quote" in capsys.readouterr().err
    assert run([*arguments, "--on-error", "skip"]) == 0
    assert "skipped file" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["rows"] == 240
    assert [entry["input"] for entry in manifest["set_aside"]] == [str(shards / "bad.csv")]


def test_only_unfit_files_are_an_error(model, tmp_path):
    (tmp_path / "bad.csv").write_text('text\n"open\n', "utf-8")
    with pytest.raises(DataError, match="all 1 are unfit"):
        label(Serial(), find_shards(str(tmp_path / "*.csv")), job(Serial(), model, tmp_path / "out"), skip=True)


def test_rows_that_are_skipped_are_counted_in_the_manifest(model, tmp_path):
    (tmp_path / "a.csv").write_text("id,text\n1,good\n2\n3,bad\n", "utf-8")
    done = label(
        Serial(), find_shards(str(tmp_path / "*.csv")), job(Serial(), model, tmp_path / "out", on_error="skip")
    )
    assert (done.rows, done.refused) == (2, 1)
    assert "line 3 (row 2)" in done.records[0].refusals[0]


def test_the_files_of_a_url_are_read_and_written_through_fsspec(model, shards, tmp_path):
    source, target = f"file://{shards}/**/*.csv", f"file://{tmp_path}/out"
    assert run(["predict", str(model), "-i", source, "-o", target, "--quiet"]) == 0
    assert contents(tmp_path / "out") == one_by_one(model, shards, tmp_path)


def test_a_cluster_elsewhere_is_sent_the_model_and_labels_alike(model, shards, tmp_path):
    from distributed import LocalCluster

    there = {"host": "127.0.0.1", "protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **there) as cluster:
        options = ["--scheduler", cluster.scheduler_address, "--quiet"]
        assert run(["predict", str(model), "-i", str(shards), "-o", str(tmp_path / "out"), *options]) == 0
        for worker in cluster.workers.values():
            (sent,) = Path(worker.local_directory).glob("textclf-*")
            assert sent.read_bytes() == model.read_bytes()
    assert contents(tmp_path / "out") == one_by_one(model, shards, tmp_path)


def test_an_address_without_a_scheduler_is_an_error(model, shards, tmp_path, capsys):
    options = ["-i", str(shards), "-o", str(tmp_path / "out"), "--scheduler", "nowhere://1"]
    assert run(["predict", str(model), *options]) == 1
    assert "--scheduler: expected a Dask scheduler at nowhere://1, found none" in capsys.readouterr().err


def test_a_task_that_ends_every_worker_is_given_up_with_its_name():
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), dask_engine(workers=1) as engine:
        ((task, outcome),) = engine.run(signal.raise_signal, [signal.SIGKILL])
    assert task == signal.SIGKILL
    assert "expected to be worked on, found that 2 workers were lost at it" in str(outcome)


def test_a_cluster_that_has_lost_all_its_workers_is_waited_for_and_then_an_error(monkeypatch):
    class Deserted:
        asked = 0

        def scatter(self, *_, **__):
            self.asked += 1
            raise TimeoutError

    client = Deserted()
    monkeypatch.setattr("textclf.distributed.engines._PAUSE", 0.0)
    with pytest.raises(TextclfError, match="the cluster: expected workers that take parameters, found none"):
        list(DaskEngine(client, same_machine=True).run(len, ["a"], given=1))
    assert client.asked == 40


def test_memory_and_other_file_systems_hold_outputs_too(model):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/runs/in/a.csv", b"text\ngood\nbad\n")
    done = label(Serial(), find_shards("memory://runs/in"), job(Serial(), model, "memory://runs/out"))
    assert done.rows == 2
    assert memory.cat("/runs/out/a.csv").startswith(b"text,label,confidence\ngood,")
    again = label(Serial(), find_shards("memory://runs/in"), job(Serial(), model, "memory://runs/out"))
    assert again == done


@pytest.mark.parametrize(
    ("source", "names"),
    [("in", ["even/a.csv", "odd/b.jsonl"]), ("in/*/*", ["even/a.csv", "odd/b.jsonl"]), ("in/even/a.csv", ["a.csv"])],
)
def test_shards_are_found_by_folder_pattern_and_name_and_marks_are_left_out(tmp_path, monkeypatch, source, names):
    for name in ("even/a.csv", "odd/b.jsonl", "odd/_temporary/c.csv", ".textclf/a.csv.json", "even/.d.csv"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\na\n")
    monkeypatch.chdir(tmp_path)
    assert [shard.name for shard in find_shards(source)] == names


def test_what_a_file_system_refuses_is_said_of_the_address(model, tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/gone/a.csv", b"text\ngood\n")
    for address, said in (
        ("memory://gone/no.csv", "cannot be listed"),
        ("nosuch://gone/a.csv", "expected an address that can be read"),
    ):
        with pytest.raises(DataError, match=said):
            find_shards(address)
    (shard,) = found = find_shards("memory://gone/a.csv")
    assert shard.name == "a.csv"
    memory.rm("/gone/a.csv")
    with pytest.raises(DataError, match=r"memory://.*gone/a.csv: cannot be fetched"):
        label(Serial(), found, job(Serial(), model, tmp_path / "out"))


def test_marks_and_folders_of_a_url_are_left_out(tmp_path):
    for name in ("a.csv", "_SUCCESS", ".hidden.csv", "folder.csv/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\na\n")
    assert [shard.name for shard in find_shards(f"file://{tmp_path}/*")] == ["a.csv"]


def test_a_folder_that_cannot_be_written_to_is_refused(model, shards, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/out: expected a folder to write to \(Not a directory\)"):
        label(Serial(), find_shards(str(shards)), job(Serial(), model, tmp_path / "file" / "out"))
    with pytest.raises(OutputError, match=r"file://.*/file/out/a.csv: cannot be written"):
        Folder(f"file://{tmp_path}/file/out").write("a.csv", b"text\n")
    assert Folder(str(tmp_path)).digest("none.csv") is None


def test_no_file_found_is_an_error(tmp_path):
    with pytest.raises(DataError, match="expected files to read, found none"):
        find_shards(str(tmp_path / "*.csv"))


def test_outputs_in_the_folder_of_the_inputs_are_refused(model, shards):
    with pytest.raises(OutputError, match="found the same file"):
        label(Serial(), find_shards(str(shards)), job(Serial(), model, shards))


def test_a_model_that_changes_during_a_run_is_refused(model, shards, tmp_path):
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(model.read_bytes())
    work = job(Serial(), changed, tmp_path / "out")
    changed.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(TextclfError, match="the checksum does not fit"):
        label(Serial(), find_shards(str(shards)), work)


def test_many_files_need_a_folder_to_go_to(model, shards, capsys):
    assert run(["predict", str(model), "-i", str(shards)]) == 2
    assert "give -o FOLDER" in capsys.readouterr().err
    assert run(["predict", str(model), "a sentence", "--workers", "2"]) == 2
    assert "go with -i" in capsys.readouterr().err
    assert run(["predict", str(model), "-i", str(shards), "-o", "x", "--workers", "2", "--scheduler", "tcp://h"]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("textclf.errors.find_spec", lambda _: None)
    with (
        pytest.raises(TextclfError, match=r'--workers: .*pip install "textclf-nn\[dask\]"'),
        dask_engine(workers=2),
    ):
        pass


def test_a_dask_frame_gets_labels_and_keeps_its_rows(model, shards):
    import dask
    import dask.dataframe as dd
    import pandas as pd

    texts = ["a film that stays with you", None, "two hours I will not get back"] * 5
    frame = pd.DataFrame({"review": texts, "n": range(15)}, index=range(100, 115))
    with dask.config.set(scheduler="synchronous"):
        done = predict(dd.from_pandas(frame, npartitions=3), model, column="review").compute()
    assert list(done.columns) == ["review", "n", "label", "confidence"]
    assert list(done.index) == list(frame.index)
    assert set(done["label"]) <= {"positive", "negative"}
    with pytest.raises(DataError, match="column: expected one of review, n"):
        predict(dd.from_pandas(frame, npartitions=1), model, column="text")
    with pytest.raises(DataError, match="expected no column 'label'"):
        predict(dd.from_pandas(frame.assign(label=""), npartitions=1), model, column="review")


# --- figures over many files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]], ids=["serial", "processes"])
def test_figures_over_many_files_are_those_of_one(model, shards, tmp_path, capsys, workers):
    whole, parts = tmp_path / "whole.csv", sorted(shards.rglob("*.csv"))
    lines = [line for path in parts for line in path.read_text("utf-8").splitlines()[1:]]
    whole.write_text("\n".join(["text,label", *lines]) + "\n", "utf-8")
    assert run(["evaluate", str(model), str(whole), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert run(["evaluate", str(model), str(shards), "--json", *workers]) == 0
    said = capsys.readouterr()
    many = json.loads(said.out)
    assert "240 rows of 6 files, 0 skipped." in said.err
    assert many["confusion"] == one["confusion"]
    assert many["accuracy"] == one["accuracy"]
    assert many["log_loss"] == pytest.approx(one["log_loss"], abs=1e-12)
    assert many["reliability"] == [pytest.approx(each, abs=1e-12) for each in one["reliability"]]


def test_a_promise_over_many_files_counts_the_same_answers(model, shards, capsys):
    arguments = ["--target-precision", "0.6", "--json", "--quiet"]
    figures = []
    for source in [str(shards), *map(str, sorted(shards.rglob("*.csv")))]:
        assert run(["evaluate", str(model), source, *arguments]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    whole, *each = figures
    covered = sum(one["answered"]["coverage"] * one["n"] for one in each)
    assert whole["answered"]["coverage"] * whole["n"] == pytest.approx(covered)


@pytest.mark.parametrize(
    ("make", "column", "match"),
    [
        (lambda dd, pd: pd.DataFrame({"t": ["a"]}), "t", "expected a Dask DataFrame, found DataFrame"),
        (lambda dd, pd: dd.from_pandas(pd.Series(["a"], name="t"), 1), "t", "expected a Dask DataFrame, found Series"),
        (lambda dd, pd: ["a"], "t", "expected a Dask DataFrame, found list"),
        (lambda dd, pd: dd.from_pandas(pd.DataFrame([["a", "b"]], columns=["t", "t"]), 1), "t", "t, t, found it twice"),
        (lambda dd, pd: dd.from_pandas(pd.DataFrame({("t", "u"): ["a"]}), 1), "t", r"one of \('t', 'u'\), found 't'"),
        (lambda dd, pd: dd.from_pandas(pd.DataFrame({"t": ["a"]}), 1), ["t"], r"one of t, found \['t'\]"),
    ],
)
def test_what_is_no_dask_frame_with_one_such_column_is_refused(make, column, match, model):
    import dask.dataframe as dd
    import pandas as pd

    with pytest.raises(DataError, match=match):
        predict(make(dd, pd), model, column=column)


@pytest.mark.parametrize("name", ["none", "."])
def test_a_dask_frame_needs_a_model_that_is_there(name, tmp_path):
    import dask.dataframe as dd
    import pandas as pd

    with pytest.raises(ModelError, match="expected a model file, found"):
        predict(dd.from_pandas(pd.DataFrame({"t": ["a"]}), 1), tmp_path / name, column="t")


def test_a_dask_frame_of_numbers_is_refused_as_the_estimator_refuses_them(model):
    import dask
    import dask.dataframe as dd
    import pandas as pd

    from textclf.distributed.label import predict

    missing = dd.from_pandas(pd.DataFrame({"t": ["a day", None, float("nan"), pd.NA]}, dtype=object), npartitions=1)
    assert len(predict(missing, model, column="t").compute()) == 4
    for values in ([1, 2], [1.5, None], [True, False]):
        frame = dd.from_pandas(pd.DataFrame({"t": values}), npartitions=1)
        with pytest.raises(DataError, match=r"column 't': expected texts, found the type .*astype\('string'\)"):
            predict(frame, model, column="t")
    with dask.config.set({"dataframe.convert-string": False}):
        frame = dd.from_pandas(pd.DataFrame({"t": pd.Series(["a", 3], dtype=object)}), npartitions=1)
        with pytest.raises(DataError, match="column 't': expected texts, found int '3'"):
            predict(frame, model, column="t").compute(scheduler="sync")


def test_a_file_with_an_unknown_label_ends_the_figures_or_is_set_aside(model, shards, capsys):
    (shards / "odd.csv").write_text("text,label\na day,neutral\n", "utf-8")
    assert run(["evaluate", str(model), str(shards)]) == 1
    assert "odd.csv:2: row 1: label 'neutral' was not in the training data" in capsys.readouterr().err
    assert run(["evaluate", str(model), str(shards), "--on-error", "skip", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 240
    assert "skipped file" in said.err
    assert run(["evaluate", str(model), str(shards / "odd.csv"), "--on-error", "skip", "--workers", "1"]) == 1
    assert "None of the 1 files could be used" in capsys.readouterr().err


def test_errors_and_reports_are_of_one_table(model, shards, capsys):
    assert run(["evaluate", str(model), str(shards), "--errors", "wrong.csv"]) == 2
    assert "go with one table" in capsys.readouterr().err


# --- counts ---------------------------------------------------------------------------------------------------------


def keyed(counts):
    keys = sorted(counts)
    return np.array(keys, np.uint64), np.array([counts[key] for key in keys], np.int64)


@given(
    strategies.lists(strategies.lists(strategies.integers(0, 40), max_size=60), max_size=6), strategies.integers(1, 12)
)
def test_counts_that_are_cut_miss_no_more_than_they_say(parts, most):
    true, found = Counter(), HeavyHitters(most)
    for part in parts:
        true.update(part)
        other = HeavyHitters(most)
        other.add(*keyed(Counter(part)))
        found.merge(other)
    counted = dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True))
    assert len(counted) <= most
    assert list(counted) == sorted(counted)
    for key, count in true.items():
        assert count - found.missing <= counted.get(key, 0) <= count
    assert found.missing <= sum(true.values()) / (most + 1)


def test_the_processes_of_this_machine_leave_no_folder_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with dask_engine(workers=1) as engine:
        assert [value for _, value in engine.run(abs, [-1])] == [1]
        assert len(list((tmp_path / "temporary").glob(".textclf-folder-*/dask-scratch-space"))) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
