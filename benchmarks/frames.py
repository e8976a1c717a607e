"""Count the calls of textclf on the way from a command to the work: ``python benchmarks/frames.py``.

Runs `predict` on one sentence and `train` on a small CSV table under a profiler, and prints the frames of this package
on the stack, the command's own and the last one included, when the work is first called, and on the longest way there.
The exit code is 1 where there are more than the bound.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import textclf
from textclf.cli import run
from textclf.nn.network import Network
from textclf.tables import fast_csv, strict_csv

PACKAGE = str(Path(textclf.__file__).parent)
COMMANDS = str(Path("cli", "commands")) + os.sep
KINDS = [("a good film", "good"), ("a bad film", "bad"), ('the "best" of all', "good"), ("worse, and long", "bad")]
ROWS = [(f"{text} {number}", label) for number in range(8) for text, label in KINDS]


@dataclass
class Way:
    """From a command to a function of a module: how many frames there may be, and those of the longest way there.

    With `is_first` those of the first call.
    """

    name: str
    targets: Sequence[CodeType]
    bound: int
    is_first: bool = False
    frames: list[str] = field(default_factory=list)

    def look(self, frame: FrameType) -> None:
        """Note the stack of a call of a target."""
        if frame.f_code not in self.targets or (self.is_first and self.frames):
            return
        found = list(frames_of(frame))
        if len(found) > len(self.frames):
            self.frames = found[::-1]


def frames_of(frame: FrameType | None) -> Iterator[str]:
    """Give the frames of the package on the stack, from the innermost one to the command's."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(PACKAGE):
            inside = os.path.relpath(path, PACKAGE)
            yield f"{inside}:{frame.f_lineno} {frame.f_code.co_qualname}"
            if inside.startswith(COMMANDS) and frame.f_code.co_name == "command":
                return
        frame = frame.f_back


def watch(ways: Sequence[Way], arguments: Sequence[str]) -> None:
    """Run a command line, its output left out, and look at every call."""

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            for way in ways:
                way.look(frame)

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        sys.setprofile(look)
        try:
            code = run(arguments)
        finally:
            sys.setprofile(None)
    if code:
        raise SystemExit(f"textclf {' '.join(arguments)} ended with {code}")


def main() -> int:
    """Print the frames of each way; return 1 where there are more than the bound."""
    train = Way("train → Network.backward, the fit", [Network.backward.__code__], 9, is_first=True)
    fold = Way("train → Network.backward, the longest way", [Network.backward.__code__], 11)
    read = Way("CSV → reader", [fast_csv.parse_fast.__code__, strict_csv.parse_strictly.__code__], 8)
    predict = Way("sentence → Network.forward", [Network.forward.__code__], 6)
    with tempfile.TemporaryDirectory() as folder:
        table, model = Path(folder, "rows.csv"), Path(folder, "model")
        lines = ["text,label", *(f'"{text.replace(chr(34), chr(34) * 2)}",{label}' for text, label in ROWS)]
        table.write_text("\n".join(lines) + "\n", "utf-8")
        settings = ("--vectors", "none", "--dimension", "4", "--threads", "1", "--quiet")
        watch([train, fold, read], ["train", str(table), "-o", str(model), *settings])
        watch([predict], ["predict", str(model), "a good film"])
    ways = (predict, train, fold, read)
    for way in ways:
        print(f"{way.name}: {len(way.frames)} frames (at most {way.bound})")
        print("".join(f"    {number} {frame}\n" for number, frame in enumerate(way.frames, 1)))
    return int(any(not 0 < len(way.frames) <= way.bound for way in ways))


if __name__ == "__main__":
    sys.exit(main())
