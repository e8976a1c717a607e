"""The words of a vectors file: which of them can be used, and what is said of the others."""

from pathlib import Path

from textclf.errors import VectorsError

LONGEST_WORD = 1_000

_MANY = 10
_FEW, _RARE = 3, 100


class WordList:
    """The words of a file in its order, with None for each one that is empty or not of the encoding.

    Many published files hold some such words: word2vec cuts long ones at a byte, tokenizers leave empty ones. They
    are left out and counted. A file in which they are many is of another encoding, and is refused.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.words: list[str | None] = []
        self.empty = self.broken = 0
        self._path, self._encoding = path, encoding
        self._first_broken = ""

    def add(self, word: bytes, where: str, *, strict: bool = False) -> None:
        """Take the next word, which stands at `where`.

        Raises VectorsError for a word over 1,000 bytes; if `strict`, also for a word whose bytes are not of the
        encoding, unless it is cut inside its last character.
        """
        if len(word) > LONGEST_WORD:
            raise VectorsError(
                f"{where}: expected words of at most {LONGEST_WORD} bytes, found a longer one. "
                "The file is damaged, or is not what its first line says."
            )
        try:
            decoded = word.decode(self._encoding)
        except UnicodeDecodeError as error:
            self._first_broken = self._first_broken or (
                f"{where}: expected {self._encoding}, found byte 0x{word[error.start]:02x} in a word"
            )
            if strict and error.reason != "unexpected end of data":
                raise VectorsError(
                    f"{self._first_broken}. The file is damaged, is not UTF-8, or a word holds a blank: "
                    "get it again, or write it as text."
                ) from None
            self.broken += 1
            self.words.append(None)
            return
        self.empty += not decoded
        self.words.append(decoded or None)

    def check(self) -> None:
        """Raise VectorsError when so many words are not of the encoding that the file cannot be."""
        if self.broken * _MANY > len(self.words) or self.broken > max(_FEW, len(self.words) // _RARE):
            raise VectorsError(f"{self._first_broken}. Convert the file to UTF-8.")

    def notes(self) -> list[str]:
        """Say how many words are left out, and why."""
        reasons = (
            (self.empty, "empty"),
            (self.broken, f"not {self._encoding}, as if cut inside a character"),
            (self.repeated, "repeated (the first of each is kept)"),
        )
        return [f"{count:,} {_noun(count)} left out: {reason}" for count, reason in reasons if count]

    @property
    def repeated(self) -> int:
        """How many words stand there a second time."""
        usable = len(self.words) - self.words.count(None)
        return usable - len(self.distinct())

    def distinct(self) -> dict[str, int]:
        """Return the words to keep, each with the place where it first stands, in the file's order."""
        first: dict[str, int] = {}
        for place, word in enumerate(self.words):
            if word is not None:
                first.setdefault(word, place)
        return first


def _noun(count: int) -> str:
    return "word is" if count == 1 else "words are"
