"""Pictures that stand in the page itself, with what is seen on them in words."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.errors import ImageReadError

_COLUMN_PIXELS = 1400
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A PNG in the page.

    Attributes
    ----------
    source
        Its ``data:`` address.
    width, height
        In pixels.
    alt
        What is seen, for who cannot see it.
    caption
        What stands below it.
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether it takes the width of a page: figures are drawn for one column or for two, at 300 dpi."""
        return self.width > _COLUMN_PIXELS


def read_picture(path: Path, alt: str, caption: str = "") -> Picture | None:
    """Read a PNG file; None if there is none.

    Raises
    ------
    ImageReadError
        If the file is not a PNG.
    """
    if not path.is_file():
        return None
    try:
        return png_picture(path.read_bytes(), alt, caption)
    except ValueError as error:
        raise ImageReadError(f"{path}: is not a PNG; run the command that made it again") from error


def png_picture(data: bytes, alt: str, caption: str = "") -> Picture:
    """Take the bytes of a PNG.

    Raises
    ------
    ValueError
        If they are none.
    """
    if len(data) < 24 or not data.startswith(_PNG):
        raise ValueError("not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    return Picture(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height, alt, caption)
