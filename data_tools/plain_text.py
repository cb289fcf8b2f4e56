"""Text files as they stand: UTF-8, or refused with the line and the byte that is not."""

from __future__ import annotations

from pathlib import Path

BOM = b"\xef\xbb\xbf"


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark; line ends stay as they are.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A byte is not UTF-8, or is NUL, which no text holds.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a text file, but {path} does not exist.")
    content = path.read_bytes().removeprefix(BOM)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(path, content, error.start) from None
    if "\0" in text:
        raise _refused(path, content, content.index(b"\0"))
    return text


def _refused(path: Path, content: bytes, place: int) -> ValueError:
    before = content[:place]
    line, byte = before.count(b"\n") + 1, place - before.rfind(b"\n")
    return ValueError(
        f"Expected UTF-8 text in {path}, but got the byte 0x{content[place]:02x} in line {line} "
        f"(byte {byte} of the line). Try: save the file as UTF-8 (iconv -f latin1 -t utf-8)."
    )
