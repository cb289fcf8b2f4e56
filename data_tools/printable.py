"""Names from files and folders made safe to print: no control character reaches a terminal."""

from __future__ import annotations

import re

# C0 and C1 controls; marks, embeddings and isolates that turn the direction of writing; separators
# that some programs take for a line's end; lone surrogates, which no encoding knows
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: object) -> str:
    r"""A text on one line, in which control characters are written out: ESC becomes ``\x1b``.

    Everything else stays, letters of any script and emoji too. Bytes of a file name that are no
    UTF-8, which Python holds as lone surrogates, are written as the bytes that they are: ``\xff``.
    The result can be printed, and encoded as UTF-8, whatever the text was.

    Args:
        text: A class name, a file name or any other value; ``str`` is taken of it.
    """
    return _UNPRINTABLE.sub(_written_out, str(text))


def printable_lines(text: object) -> str:
    """As :func:`printable`, line by line: a text of several lines keeps them."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no UTF-8 (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
