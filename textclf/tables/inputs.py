"""What a command line's word for its data names: one file, many files, or a place on the network."""

from pathlib import Path

WILD = "*?["
"""Signs of a pattern that stands for many names."""


def are_shards(source: str) -> bool:
    """Return whether what is named is many files: a folder, a pattern that is no file's name, or a URL."""
    if is_url(source):
        return True
    path = Path(source)
    return path.is_dir() or (any(sign in source for sign in WILD) and not path.exists())


def is_url(source: str) -> bool:
    """Return whether a place is a URL such as s3://bucket/key."""
    return "://" in source
