"""Names as nobody should give them: what a class, a file or a caption may be called."""

from __future__ import annotations

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "]]><img src=x onerror=alert(3)>",
    "\"' onmouseover='alert(4)",
    "{{data}}{{title}}",
    "&lt;b&gt;&#60;script&#62;",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2Jcleared",
    "line\nbreak\r\ttab\x00nul",
    "‮gnp.live⁦",
    "separators\u2028and\u2029",
    "byte\udcff",
    '=HYPERLINK("http://x","y")',
    "+1+2",
    "-1-2",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "$\\frac{",
    "$a$ and $b",
    "_nolegend_",
    "a|b`c`[d](http://e)",
    "\U0001f600 ünï ç",
)
# what must not reach a terminal, a page or a table as it is
UNPRINTABLE = "\x00\x07\x1b\x9b\r\u202e\u2066\u2028\u2029\udcff"
