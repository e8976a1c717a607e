"""Run the command line with an audit hook: a program of its own, for the hook cannot be taken off again.

Called with a folder and a list of commands as JSON. What they do that no command may do is written, a line each, to the
file `violations` in the folder. Writing is allowed within the folder alone. Three programs may be started: the two that
read Parquet and native fastText files apart, and `uname -p`, by which Python tells gensim what machine it is on. Where
coverage runs, its data files may come and go.
"""

import json
import os
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(sys.argv[1]).resolve()
ROOT = Path(__file__).resolve().parent.parent.parent
CODE = (ROOT / "textclf", *(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib")))
CHILDREN = ("reader_child.py", "fasttext_child.py")
NEVER = {
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.spawn",
    "pty.spawn",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "urllib.Request",
    "ftplib.connect",
    "smtplib.connect",
    "http.client.connect",
    "webbrowser.open",
}
CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.rmtree",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


def coverage_files():
    """Return how the paths of coverage's data files begin where coverage runs this program too, else None."""
    running = "coverage" in sys.modules and sys.modules["coverage"].Coverage.current()
    return f"{os.path.realpath(running.get_option('run:data_file'))}." if running else None


def is_inside(path, folders, *, itself=False):
    """Say whether a path leads into one of the folders; with `itself` a link counts as where it stands."""
    named = Path(os.fsdecode(path))
    real = Path(os.path.realpath(named.parent)) / named.name if itself else Path(os.path.realpath(named))
    return any(real.is_relative_to(folder) for folder in folders)


def problem(event, arguments):
    """Return what is wrong with an event, None when nothing is."""
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return None  # how urllib3, which gensim loads where it is installed, asks for IPv6; nothing is reached
    if event in NEVER:
        return f"{event} {arguments!r}"
    if event in ("subprocess.Popen", "os.posix_spawn"):  # since Python 3.13 the first comes about by the second
        command = list(arguments[1])
        if command == ["uname", "-p"]:
            return None
        is_ours = command[:2] == [sys.executable, "-I"] and Path(os.fsdecode(command[2])).name in CHILDREN
        return None if is_ours and is_inside(command[2], CODE) else f"{event} {command}"
    if event == "exec":
        name = arguments[0].co_filename
        return None if name.startswith("<") or is_inside(name, (*CODE, Path(__file__))) else f"exec of {name}"
    if event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITING:
        is_allowed = is_inside(arguments[0], (FOLDER,)) or os.fsdecode(arguments[0]) == os.devnull
        return None if is_allowed else f"open for writing: {arguments[0]!r}"
    if event in CHANGES:
        named = [path for path in arguments[:2] if isinstance(path, str | bytes | os.PathLike)]
        changed = named[-1:] if event in ("os.symlink", "os.link") else named
        at = arguments[-1]  # an open folder that the path is in, or -1
        base = f"/proc/self/fd/{at}" if isinstance(at, int) and at >= 0 and event in ("os.remove", "os.rmdir") else ""
        paths = [Path(base, os.fsdecode(path)) for path in changed]
        are_coverage = COVERAGE is not None and all(str(path).startswith(COVERAGE) for path in paths)
        inside = all(is_inside(path, (FOLDER,), itself=True) for path in paths)
        return None if inside or are_coverage else f"{event} {arguments!r}"
    return None


def watch(event, arguments):
    found = None if violations is None else problem(event, arguments)
    if found is not None:
        os.write(violations, f"{found}\n".encode("utf-8", "replace"))


COVERAGE = coverage_files()
violations = os.open(FOLDER / "violations", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.dont_write_bytecode = True
sys.addaudithook(watch)

from textclf.cli import run  # noqa: E402 -- under the hook, so that imports are watched too

if __name__ == "__main__":
    for words in json.loads(sys.argv[2]):
        if code := run(words):
            sys.exit(code)
