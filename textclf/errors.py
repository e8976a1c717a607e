"""Errors that a person can act on.

Every message has one form, on one line: *where: what was expected, what was found. What to do.*
The command line turns any :class:`TextclfError` into that line and exit code 1, in one place.
"""

from importlib.util import find_spec
from unicodedata import category

DISTRIBUTION = "textclf-nn"
"""The name to install this package by. The import and the command are `textclf`, a name that the index gave away."""


class TextclfError(Exception):
    """Something that the user can fix: the message says where it is, what is wrong and what to do."""


class DataError(TextclfError):
    """A table, a column, a label or a text is not as it should be."""


class VectorsError(TextclfError):
    """A file of word vectors is invalid."""


class ModelError(TextclfError):
    """A model file is invalid."""


class TrainingError(TextclfError):
    """Training cannot start or continue with these rows and settings."""


class OutputError(TextclfError):
    """A result cannot be written where it should go."""


def spell(text: str) -> str:
    """Return text for people: line breaks, escapes and other characters that cannot be printed are spelt out.

    Spaces of every width are spaces, though Python counts those beyond ASCII among what cannot be printed.
    """
    return text if text.isprintable() else "".join(c if _is_printed(c) else repr(c)[1:-1] for c in text)


def _is_printed(character: str) -> bool:
    return character.isprintable() or category(character) == "Zs"


def say_count(count: int, noun: str) -> str:
    """Return a number and what it counts: ``1 text``, ``2 texts``, ``3 classes``.

    >>> say_count(1, "row"), say_count(1200, "class")
    ('1 row', '1,200 classes')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def require_packages(option: str, *names: str, extra: str = "report") -> None:
    """Raise TextclfError when a package that `option` needs is not installed."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        noun = "package" if len(names) == 1 else "packages"
        raise TextclfError(
            f"{option}: expected the {noun} {' and '.join(names)}, {' and '.join(missing)} not found. "
            f'Install them with: pip install "{DISTRIBUTION}[{extra}]".'
        )
