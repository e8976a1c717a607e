"""A model file is whole or refused; nothing in it runs, and nothing it claims is believed."""

import json
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from textclf.errors import ModelError
from textclf.model.card import Bounds
from textclf.model.file import FORMAT, read_model, write_model
from textclf.storage.packed_strings import PackedStrings

ARRAYS = {
    "E": np.arange(12, dtype=np.float32).reshape(3, 4),
    "keys": np.array([1, 2**63], np.uint64),
    "tiny": np.array([-1, 1], np.int8),
    "none": np.zeros((0, 4), np.float32),
    **PackedStrings.of(["good", "", "héllo 🙂"]).arrays("words"),
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
    monkeypatch.setattr("textclf.model.file._digest", lambda _content, digest: digest)
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
    strings = PackedStrings.of(texts)
    assert list(strings) == texts
    assert len(strings) == len(texts)
    assert [strings[i] for i in range(len(texts))] == texts


def test_a_description_without_an_end_is_refused_when_it_is_written(tmp_path):
    with pytest.raises(ModelError, match="the description of the model is over 1048576 bytes"):
        write_model(tmp_path / "m", {}, {"labels": ["x" * 2_000_000]})
    assert not (tmp_path / "m").exists()


def described(**description):
    return {"__metadata__": {"textclf": json.dumps({"format": 1, "sha256": "0" * 64, **description})}}


KINDS = {
    "F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "U8": np.uint8, "I32": np.int32,
    "U32": np.uint32, "I64": np.int64, "U64": np.uint64,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_of_each_kind_of_number_is_kept_and_is_of_no_other_kind(kind, path):
    array = np.arange(6).reshape(2, 3).astype(KINDS[kind])
    write_model(path, {"a": array}, {})
    file = read_model(path)
    for wanted in (kind, f"{kind}|F32", f"F32|{kind}"):
        for shape in ((2, 3), (None, 3), (None, None)):
            np.testing.assert_array_equal(file.array("a", wanted, *shape), array)
    for shape in ((3, 3), (None, 2), (6,), (2, 3, 1), ()):
        with pytest.raises(
            ModelError, match=rf"expected 'a' of {kind} and shape .*, found {array.dtype} and \[2, 3\]\."
        ):
            file.array("a", kind, *shape)
    for other in KINDS:
        if other != kind:
            with pytest.raises(ModelError, match=rf"expected 'a' of {other} and shape 2 × any, found"):
                file.array("a", other, 2, None)


def test_a_file_says_the_format_that_its_reader_must_know(path):
    for version in (1, 2):
        write_model(path, {}, {}, version=version)
        assert read_model(path).description["format"] == version
    write_model(path, {}, {})
    assert read_model(path).description["format"] == 1
    with pytest.raises(ModelError, match=r"not written, .* expected a model of format 2 or older, found format 3"):
        write_model(path, {}, {}, version=3)
    assert read_model(path).description["format"] == 1


def test_a_description_is_kept_in_utf8_and_holds_no_number_that_json_does_not_know(path):
    assert "ü".encode() in path.read_bytes()
    for value, found in ((np.nan, "a number that is not finite"), ("\ud800", "half a surrogate pair")):
        with pytest.raises(
            ModelError, match=f"not written, .*: description: expected what JSON can hold, found {found}"
        ):
            write_model(path, {}, {"loss": value})
    assert read_model(path).description["labels"] == ["a", "ü"]


def test_a_header_has_at_most_a_mebibyte(tmp_path):
    def written(blanks):
        return write_model(tmp_path / "m", {}, {"note": "x" * blanks})

    written(0)
    most = (1 << 20) - int.from_bytes((tmp_path / "m").read_bytes()[:8], "little")
    most -= most % 8  # the header is padded to whole words
    written(most)
    assert (tmp_path / "m").read_bytes()[:8] == (1 << 20).to_bytes(8, "little")
    assert read_model(tmp_path / "m").description["note"] == "x" * most
    with pytest.raises(ModelError, match="the description of the model is over 1048576 bytes"):
        written(most + 1)
    content = raw({**described(), "x": "y" * (1 << 20)})
    refused(tmp_path / "m", content, "but it does not begin like one")


def test_a_file_has_at_most_64_arrays(path):
    for count in (64, 65):
        arrays = {str(number): np.array([number]) for number in range(count)}
        if count == 64:
            write_model(path, arrays, {})
            assert [read_model(path).arrays[str(number)][0] for number in range(64)] == list(range(64))
            continue
        with pytest.raises(ModelError, match=r"not written, .* but it has over 64 arrays"):
            write_model(path, arrays, {})


def test_arrays_lie_on_the_disk_or_in_memory(path):
    on_disk, in_memory = read_model(path), read_model(path, mapped=False)
    assert not on_disk.arrays["E"].flags.writeable
    assert in_memory.arrays["E"].flags.writeable
    path.write_bytes(bytes(len(path.read_bytes())))
    assert in_memory.arrays["E"].tolist() == ARRAYS["E"].tolist()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"1234567", "the file is too short"),
        (b"12345678", "it does not begin like one"),
        (struct.pack("<Q", 2) + b"{}", "it lacks the description"),
        (struct.pack("<Q", 3) + b"{}", "it does not begin like one"),
        (struct.pack("<Q", 2) + b"[]", "it does not begin like one"),
        (raw({"__metadata__": {"textclf": "{}", "more": "x"}}), "it lacks the description"),
        (raw({"__metadata__": {"textclf": 5}}), "it lacks the description"),
        (raw({"__metadata__": []}), "it lacks the description"),
        (raw({"__metadata__": {"textclf": "{}"}}), "its description is damaged"),
        (raw({"__metadata__": {"textclf": "5"}}), "its description is damaged"),
        (raw({"__metadata__": {"textclf": '{"format": 1, "a": 1, "a": 1}'}}), "its description is damaged"),
        (raw({"__metadata__": {"textclf": '{"format": 1, "a": NaN}'}}), "its description is damaged"),
        (raw({"__metadata__": {"textclf": "[" * 9999}}), "its description is damaged"),
        (raw(b'{"a": NaN}'), "its header is not JSON, or names something twice"),
    ],
)
def test_what_is_no_model_is_told_by_the_first_thing_that_is_wrong(content, why, path):
    refused(path, content, f"m.safetensors: expected a model made by `textclf train`, but {why}. Name another file")


@pytest.mark.parametrize("digest", [None, 5, "", "0" * 64, "é" * 64, "0" * 63])
def test_a_checksum_that_is_none_or_another_does_not_fit(digest, path):
    description = json.dumps({"format": 1, "sha256": digest})
    content = raw({"__metadata__": {"textclf": description}})
    refused(path, content, "the checksum does not fit: the file is damaged")


def test_what_is_no_file_is_told_apart(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("", "a folder"), ("none", "nothing"), ("pipe", "no regular file")):
        with pytest.raises(ModelError, match=rf"expected a model file, found {kind}\. `textclf train`"):
            read_model(tmp_path / name)


BOUNDS = Bounds(-1e3, 1e3)


def test_rows_in_bytes_have_scales_that_are_not_negative(path):
    codes, scales = np.array([[1, -2], [3, 4]], np.int8), np.array([0.5, 0], np.float16)
    write_model(path, {"E": codes, "E.scales": scales, "F": np.ones((2, 2), np.float32)}, {})
    assert np.asarray(read_model(path).rows("E", 2, 2, BOUNDS)).tolist() == [[0.5, -1], [0, 0]]
    assert read_model(path).rows("F", 2, 2, BOUNDS).tolist() == [[1, 1], [1, 1]]
    for wrong in ((3, 2), (2, 3)):
        for name in ("E", "F"):
            with pytest.raises(ModelError, match=f"expected '{name}' of .* and shape {wrong[0]} × {wrong[1]}, found"):
                read_model(path).rows(name, *wrong, BOUNDS)
    write_model(path, {"E": codes, "E.scales": -scales}, {})
    with pytest.raises(ModelError, match="'E' has a scale below zero"):
        read_model(path).rows("E", 2, 2, BOUNDS)


@pytest.mark.parametrize("codes", [[0, 1, 0], [1, 2, 0], []])
def test_numbers_in_codes_are_values_that_are_there(codes, path):
    values = np.array([0.5, 2], np.float32)
    write_model(path, {"a": np.array(codes, np.uint8), "a.values": values, "b": values}, {})
    assert read_model(path).numbers("b", 2, Bounds(0, 9)).tolist() == [0.5, 2]
    if 2 in codes:
        with pytest.raises(ModelError, match="the numbers 'a' are damaged"):
            read_model(path).numbers("a", len(codes), Bounds(0, 9))
        return
    assert read_model(path).numbers("a", len(codes), Bounds(0, 9)).tolist() == [values[code] for code in codes]


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_strings_are_found_by_offsets_of_either_length(kind, path):
    write_model(path, PackedStrings.of(["", "é", ""]).arrays("s", kind), {})
    found = read_model(path).strings("s")
    assert list(found) == ["", "é", ""]
    assert found.offsets.dtype == np.int64
