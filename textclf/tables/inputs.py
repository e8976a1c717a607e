"""What a command line's word for its data names: one file, many files, or a place on the network."""

from pathlib import Path

from textclf.storage.remote import is_url

WILD = "*?["
"""Signs of a pattern that stands for many names."""
_ON_THE_WEB = ("http://", "https://")


def are_shards(source: str) -> bool:
    """Return whether what is named is many files: a folder, a pattern that is no file's name, or such a URL."""
    if is_url(source):
        return "*" in source or not _is_one_file(source)
    path = Path(source)
    return path.is_dir() or (any(sign in source for sign in WILD) and not path.exists())


def _is_one_file(url: str) -> bool:
    """Return whether a URL names one table: by its ending, or on the web, where folders cannot be listed."""
    from textclf.tables.formats import is_table_name

    return url.lower().startswith(_ON_THE_WEB) or is_table_name(url)
