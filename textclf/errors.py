"""Errors that a person can act on.

Every message has one form, on one line: *where: what was expected, what was found. What to do.*
The command line turns any :class:`TextclfError` into that line and exit code 1, in one place.
"""


class TextclfError(Exception):
    """Something that the user can mend: the message says where it is, what is wrong and what to do."""


class DataError(TextclfError):
    """A table, a column, a label or a text is not as it should be."""


class VectorsError(TextclfError):
    """A file of word vectors cannot be used."""


class ModelError(TextclfError):
    """A model file cannot be used."""


class TrainingError(TextclfError):
    """Training cannot start, or cannot go on, with these rows and settings."""


class OutputError(TextclfError):
    """A result cannot be written where it should go."""


def shown(text: str) -> str:
    """Return text for people: line breaks, escapes and other characters that cannot be printed are spelt out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
