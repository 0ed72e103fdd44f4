"""NiiVue, the library that draws the planes: not part of this repository, put beside it by ``make viewer``."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from nnunet_amt.errors import BadInputError

NIIVUE_VERSION = "0.69.0"
NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"  # of dist/niivue.umd.js
NIIVUE_FILE = Path(__file__).parent / "vendor" / "niivue.umd.js"
_LICENCE = Path(__file__).parent / "assets" / "niivue_licence.txt"


def niivue_script(path: Path = NIIVUE_FILE) -> str | None:
    """Read the library, under its licence, which every copy must carry; None where it was not fetched.

    Raises
    ------
    BadInputError
        If the file is another than the one that the page was tried with.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if sha256(content).hexdigest() != NIIVUE_SHA256:
        raise BadInputError(f"{path}: is not NiiVue {NIIVUE_VERSION}, or damaged; remove it and run make viewer again")
    licence = _LICENCE.read_text(encoding="utf-8").strip()
    return f"/*! NiiVue {NIIVUE_VERSION}\n\n{licence}\n*/\n{content.decode('utf-8')}"
