"""Pages to look at in a browser: one HTML file made from a template, everything in it escaped, loading nothing."""

from pathlib import Path
from typing import Any

from textclf.errors import spell
from textclf.storage.files import write_whole

LONGEST_LABEL = 120
LONGEST_SHOWN = 1200
"""Characters of a text whose words are of interest."""
_LONGEST_TEXT = 400


def write_page(path: Path, template: str, **values: Any) -> None:  # noqa: ANN401 - whatever the template shows
    """Write the page that a template makes of these values, whole or not at all."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       loader=PackageLoader("textclf.report", "templates"))  # fmt: skip
    page.filters["text"] = lambda value: truncate(value, _LONGEST_TEXT)
    page.filters["long"] = lambda value: truncate(value, LONGEST_SHOWN)
    page.filters["label"] = lambda value: truncate(value, LONGEST_LABEL)
    page.filters["shown"] = spell
    page.filters["passage"] = lambda value: "\n".join(map(spell, value.split("\n")))  # its line breaks stand
    html = page.get_template(template).render(**values)
    with write_whole(path) as stream:
        stream.write(html.encode("utf-8", "backslashreplace"))


def truncate(value: str, longest: int) -> str:
    """Return text for people, of at most so many characters."""
    return spell(value[:longest]) + ("…" if len(value) > longest else "")
