"""Files on the network: a URL's file system through fsspec, and local copies that keep the URL as their name."""

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from textclf.errors import DISTRIBUTION, DataError, spell

if sys.platform == "win32":
    from pathlib import WindowsPath as _LocalPath
else:
    from pathlib import PosixPath as _LocalPath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRAS = {"https": "http", "s3a": "s3", "az": "abfs", "abfss": "abfs"}
"""The extra of fsspec that installs what a protocol needs, where it has another name."""


def is_url(source: str) -> bool:
    """Return whether a place is a URL such as s3://bucket/key."""
    return "://" in source


class FetchedFile(_LocalPath):
    """The local copy of a file on the network: it is opened as the copy, and called by its URL."""

    url: str = ""
    """Empty for what is made of it, such as its parent: that is local."""

    def __str__(self) -> str:
        """Return the URL."""
        return self.url or super().__str__()

    def __fspath__(self) -> str:
        """Return the path of the copy."""
        return super().__str__()


def fetch(url: str, folder: Path) -> FetchedFile:
    """Copy the file at `url` into a folder and return it; raises DataError when it cannot be fetched."""
    filesystem, path = open_filesystem(url)
    name = PurePosixPath(url.partition("?")[0]).name
    copy = FetchedFile(folder / (name or "table"))
    copy.url = url
    try:
        filesystem.get_file(path, copy.__fspath__())
    except Exception as error:  # each file system has errors of its own
        raise DataError(f"{spell(url)}: cannot be fetched ({spell(str(error))[:200]}). Check the address.") from error
    return copy


def open_filesystem(url: str) -> "tuple[AbstractFileSystem, str]":
    """Return the file system of a URL and the path there; raises DataError when there is none for it here."""
    protocol, _, rest = url.partition("://")
    try:
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(f"{protocol.lower()}://{rest}")
    except ImportError as error:
        raise DataError(
            f"{spell(url)}: expected the packages that read {spell(protocol)}, found one missing"
            f" ({spell(str(error))[:200]}). Install them with: pip install {_packages(protocol.lower())}."
        ) from error
    except ValueError as error:
        found = spell(str(error))[:200]
        raise DataError(f"{spell(url)}: expected an address that can be read ({found}). Check the address.") from error
    except Exception as error:  # some file systems connect now; each has errors of its own
        raise DataError(f"{spell(url)}: cannot be read ({spell(str(error))[:200]}). Check the address.") from error
    return filesystem, str(path)


def _packages(protocol: str) -> str:
    """Return what to install for a protocol, quoted for a shell."""
    from importlib.metadata import metadata
    from importlib.util import find_spec

    extra = _EXTRAS.get(protocol, protocol)
    if extra == "http" or find_spec("fsspec") is None:
        return f'"{DISTRIBUTION}[url]"'
    if extra in (metadata("fsspec").get_all("Provides-Extra") or ()):
        return f'"{DISTRIBUTION}[url]" "fsspec[{extra}]"'
    return f'"{DISTRIBUTION}[url]", and the package named here'
