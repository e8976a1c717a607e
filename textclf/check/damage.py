"""Signs in a text that it was read or written in a wrong encoding."""

import re
from collections.abc import Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# What the bytes 80 to BF become in Windows-1252, and in Latin-1 where that has nothing.
_QUOTES = "\x82\x84\x85\x91-\x97‚„…‘’“”•–—«»"
_TAIL = "\x80-\xbf€ƒ†‡ˆ‰Š‹ŒŽ˜™š›œžŸ" + _QUOTES
_NOT_QUOTE = rf"(?![{_QUOTES}])[{_TAIL}]"
_SURE = re.compile(
    rf"[ÂÃ]{_NOT_QUOTE}"  # U+0080 to U+00FF: é as Ã©, a no-break space as Â and itself
    rf"|â[\x80€][{_TAIL}]"  # quotation marks, dashes: ’ as â€™
    rf"|ï(?:»¿|¿½)"  # a byte order mark; U+FFFD itself, once more damaged
    rf"|ð[\x9fŸ][{_TAIL}][{_TAIL}]"  # emoji
)
# Where a language may really write the first letter and a quotation mark after it, one is no proof: two are.
_LIKELY = re.compile(rf"[ÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑ×ØÙ][{_TAIL}]|[à-ï][{_TAIL}][{_TAIL}]")
_LEAST_LIKELY = 2
_ANY = re.compile(f"{_SURE.pattern}|{_LIKELY.pattern}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")  # but tabs, line ends and form feeds


def has_mojibake(text: str) -> bool:
    """Return whether characters of the text are UTF-8 bytes that were read as Windows-1252 or Latin-1."""
    if text.isascii():
        return False
    if any(_is_utf8(match) for match in _SURE.findall(text)):
        return True
    return sum(_is_utf8(match) for match in _LIKELY.findall(text)) >= _LEAST_LIKELY


def control_characters(text: str) -> list[str]:
    """Return the control characters of the text that no text needs."""
    return _CONTROL.findall(text)


def find_damage(texts: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return for each kind of damage the numbers of the texts that have it, and how many characters."""
    found: dict[str, dict[int, int]] = {"mojibake": {}, "lost-characters": {}, "control-characters": {}}
    for number, text in enumerate(texts):
        if has_mojibake(text):
            found["mojibake"][number] = len(_ANY.findall(text))
        elif controls := control_characters(text):  # in mojibake they are but the bytes of other characters
            found["control-characters"][number] = len(controls)
        if REPLACEMENT in text:
            found["lost-characters"][number] = text.count(REPLACEMENT)
    return found


def _is_utf8(damage: str) -> bool:
    try:
        content = b"".join(_byte(letter) for letter in damage)
        content.decode("utf-8")
    except ValueError:
        return False
    return True


def _byte(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")
