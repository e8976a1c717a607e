"""A model file is whole or refused; nothing in it runs, and nothing it claims is believed."""

import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from textclf.errors import ModelError
from textclf.model_file import FORMAT, read_model, write_model
from textclf.strings import Strings

ARRAYS = {
    "E": np.arange(12, dtype=np.float32).reshape(3, 4),
    "keys": np.array([1, 2**63], np.uint64),
    "tiny": np.array([-1, 1], np.int8),
    "none": np.zeros((0, 4), np.float32),
    **Strings.of(["good", "", "héllo 🙂"]).arrays("words"),
}
DESCRIPTION = {"labels": ["a", "ü"], "history": [{"loss": 0.5}], "nothing": None}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "m.safetensors"
    write_model(path, ARRAYS, DESCRIPTION)
    return path


def raw(header, data=b""):
    """Return the bytes of a safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refused(path, content, match="m.safetensors: "):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=match) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_bit_for_bit_and_the_same_bytes_each_time(path):
    found = read_model(path)
    assert set(found.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()
    assert {name: found.description[name] for name in DESCRIPTION} == DESCRIPTION
    assert list(found.strings("words")) == ["good", "", "héllo 🙂"]
    content = path.read_bytes()
    digest = write_model(path, ARRAYS, DESCRIPTION)
    assert path.read_bytes() == content
    assert digest == found.sha256


def test_other_tools_for_safetensors_open_it(path):
    theirs = load_file(path)
    assert theirs["E"].tolist() == ARRAYS["E"].tolist()


def test_arrays_are_read_only(path):
    with pytest.raises(ValueError, match="read-only"):
        read_model(path).arrays["E"][0, 0] = 1.0


def test_a_single_flipped_bit_anywhere_is_refused(path):
    content = bytearray(path.read_bytes())
    for place in range(len(content)):
        content[place] ^= 1 << (place % 8)
        refused(path, content)
        content[place] ^= 1 << (place % 8)


def test_a_file_cut_anywhere_or_with_something_after_its_end_is_refused(path):
    content = path.read_bytes()
    for length in range(len(content)):
        refused(path, content[:length])
    refused(path, content + b"\0", "checksum")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the file was run",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text,label\ngood,a\n",
        pickle.dumps(Bomb()),
        b"PK\x03\x04" + b"\0" * 100,
        raw({}),
        raw({"__metadata__": {"format": "pt"}}),
        raw({"__metadata__": {"textclf": "{"}}),
        raw({"__metadata__": {"textclf": "[]"}}),
        raw({"__metadata__": {"textclf": '{"format": "1"}'}}),
        raw({"__metadata__": {"textclf": '{"format": true}'}}),
        raw({"__metadata__": {"textclf": '{"format": 0}'}}),
        raw(b'{"a": 1, "a": 2}'),
        raw(b"[" * 5000 + b"]" * 5000),
        raw(b"{" + b'"a":[' * 5000),
        raw(b"\xff\xfe{}"),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 1 << 30) + b"{}",
    ],
)
def test_what_is_no_model_is_refused_in_one_line(content, path):
    refused(path, content, "m.safetensors: expected a model made by `textclf train`, but ")


def test_a_safetensors_file_of_another_program_is_refused(path):
    save_file({"weight": np.ones(3, np.float32)}, path)
    refused(path, path.read_bytes(), "expected a model made by `textclf train`, but it lacks the description")


def test_a_newer_format_is_refused_by_its_number_and_with_what_to_do(path):
    text = json.dumps({"format": FORMAT + 1, "sha256": "0" * 64})
    message = f"expected a model of format {FORMAT} or older, found format {FORMAT + 1}. .* upgrade textclf"
    refused(path, raw({"__metadata__": {"textclf": text}}), message)


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path):
    with pytest.raises(ModelError, match=r"expected a model file, found a folder. `textclf train` makes one"):
        read_model(tmp_path)
    with pytest.raises(ModelError, match="expected a model file, found nothing"):
        read_model(tmp_path / "none")


@pytest.mark.parametrize(("mapped", "reader"), [(True, "memmap"), (False, "fromfile")])
def test_a_file_that_the_system_does_not_give_is_named(mapped, reader, path, monkeypatch):
    def refuse(*_arguments, **_settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, reader, refuse)
    with pytest.raises(ModelError, match=r"m\.safetensors: cannot be read \(Permission denied\)"):
        read_model(path, mapped=mapped)


LAYOUTS = {
    "a hole": {"a": ("F32", [1], 0, 4), "b": ("F32", [1], 8, 12)},
    "an overlap": {"a": ("F32", [2], 0, 8), "b": ("F32", [1], 4, 8)},
    "bytes that no array has": {"a": ("F32", [1], 0, 4)},
    "a size that is not its shape's": {"a": ("F32", [2], 0, 12)},
    "more than the file holds": {"a": ("F32", [2**40], 0, 2**42)},
    "a negative length": {"a": ("F32", [-1, -3], 0, 12)},
    "three dimensions": {"a": ("F32", [1, 1, 3], 0, 12)},
    "a fraction": {"a": ("F32", [3.0], 0, 12)},
    "an unknown kind of number": {"a": ("C64", [3], 0, 12)},
    "no offsets": {"a": ("F32", [3], None, None)},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_that_does_not_add_up_is_refused_though_its_checksum_fits(name, path, monkeypatch):
    monkeypatch.setattr("textclf.model_file._digest", lambda _content, digest: digest)
    text = json.dumps({"format": 1, "sha256": "0" * 64})
    header = {"__metadata__": {"textclf": text}}
    for array, (dtype, shape, start, stop) in LAYOUTS[name].items():
        header[array] = {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}
    refused(path, raw(header, b"\0" * 12), "its arrays are not laid out as its header says")


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        (("F", "F32", 3), "expected an array 'F', found none"),
        (("E", "F32", 3, 5), r"expected 'E' of F32 and shape 3 × 5, found float32 and \[3, 4\]"),
        (("E", "I32", 3, 4), "expected 'E' of I32"),
        (("E", "F32", None), "shape any"),
    ],
)
def test_an_array_that_is_not_as_expected_is_said_by_name(wanted, match, path):
    with pytest.raises(ModelError, match=match):
        read_model(path).array(*wanted)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(number, path):
    write_model(path, {"E": np.array([1.0, number], np.float32)}, {})
    with pytest.raises(ModelError, match="'E' holds a number that is not finite"):
        read_model(path).array("E", "F32", None)


@pytest.mark.parametrize("offsets", [[], [1, 4], [0, 5], [0, 3, 2, 4]])
def test_strings_whose_places_do_not_fit_are_refused(offsets, path):
    write_model(path, {"s": np.zeros(4, np.uint8), "s.offsets": np.array(offsets, np.int64)}, {})
    with pytest.raises(ModelError, match="the strings 's' are damaged"):
        read_model(path).strings("s")


@given(st.lists(st.text(max_size=5), max_size=8))
def test_strings_are_kept_as_they_are(texts):
    strings = Strings.of(texts)
    assert list(strings) == texts
    assert len(strings) == len(texts)
    assert [strings[i] for i in range(len(texts))] == texts


def test_a_description_without_an_end_is_refused_when_it_is_written(tmp_path):
    with pytest.raises(ModelError, match="the description of the model is over 1048576 bytes"):
        write_model(tmp_path / "m", {}, {"labels": ["x" * 2_000_000]})
    assert not (tmp_path / "m").exists()
