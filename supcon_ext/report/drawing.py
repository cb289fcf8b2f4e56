"""Figures drawn into the page, in the colours that the reader's screen asks for."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from supcon_ext.report.page import text


def inline(draw: Callable[[Path], None], title: str) -> str:
    """A figure as SVG inside of HTML, its black in the page's own colour and its ground clear.

    Args:
        draw: Draws it into a file of any kind, by its ending.
        title: What is read out in its place.
    """
    from matplotlib import rc_context

    with tempfile.TemporaryDirectory(prefix="supcon-report-") as folder:
        place = Path(folder) / "figure.svg"
        with rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
            draw(place)
        made = place.read_text(encoding="utf-8")
    made = made[made.index("<svg") :]
    made = re.sub(r"<metadata>.*?</metadata>", "", made, flags=re.DOTALL)
    made = made.replace("#000000", "currentColor").replace("#ffffff", "none")
    made = re.sub(r'font: ([^;"]*?)px [^;"]*', r"font: \1px system-ui, sans-serif", made)
    made = re.sub(r' (?:width|height)="[\d.]+pt"', "", made, count=2)
    return f'<figure role="img" aria-label="{text(title)}">{made}</figure>'
