"""From a matplotlib figure to inline SVG that takes its colours and its font from the page, light or dark.

A figure is drawn in stand-in colours, one for each role; in the SVG they become CSS variables of the page. The same
figure gives the same bytes: no date, no random ids.
"""

import html
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#010101", "#020202", "#030303"
"""Stand-ins for the page's colours of text, of what is less important, and of rules."""
SERIES = ("#010204", "#020408", "#03060c", "#040810", "#050a14", "#060c18")
"""Stand-ins for the colours of lines and points, in the order in which they are used."""

FONT = 8.5
_VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", **{colour: f"c{i}" for i, colour in enumerate(SERIES, 1)}}


def draw(width: float, height: float, paint: Callable[["Figure"], None], *, title: str, text: str) -> str:
    """Return what `paint` draws on a figure of so many inches as SVG, with a title and a text for who cannot see it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    chosen: dict[Any, Any] = {
        "svg.hashsalt": title, "svg.fonttype": "none", "text.parse_math": False, "font.size": FONT,
        "text.color": INK, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT, "xtick.color": SOFT, "ytick.color": SOFT,
        "grid.color": LINE, "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False,
        "axes.spines.right": False, "axes.linewidth": 0.7, "grid.linewidth": 0.6, "lines.linewidth": 1.5,
        "legend.frameon": False, "legend.fontsize": FONT, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "axes.formatter.use_mathtext": False, "svg.id": None,
    }  # fmt: skip
    with mpl.rc_context(chosen), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has its own fonts
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    return _theme(stream.getvalue(), title, text)


def _theme(source: str, title: str, text: str) -> str:
    """Return the SVG element without what a page has no use for, its colours the page's own."""
    svg = source[source.index("<svg") :]
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"font(-family)?: [^;\"]*sans-serif;? ?", _size_only, svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _round, tag[0]), svg)  # not the words between
    svg = re.sub(r"\s*\n\s*", " ", svg)
    used = set(re.findall(r"#([\w.]+)[\")]", svg))
    svg = re.sub(r' id="([\w.]+)"', lambda found: found[0] if found[1] in used else "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    view = re.search(r'viewBox="0 0 ([\d.]+) [^"]*"', svg)
    assert view is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    begin = f'<svg {view[0]} style="--w: {view[1]}" {spaces} role="img"'
    words = f' aria-label="{html.escape(title)}"><title>{html.escape(title)}</title><desc>{html.escape(text)}</desc>'
    return (begin + words + svg[svg.index(">") + 1 :]).replace("> <", "><").strip()


def _round(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _size_only(found: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", found[0])
    return f"font-size: {size[0]}; " if size and not found[1] else ""
