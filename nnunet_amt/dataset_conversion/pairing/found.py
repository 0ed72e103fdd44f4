"""What a search for CTs and their masks has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FoundCase:
    """A CT, and its mask where just one belongs to it.

    Attributes
    ----------
    name
        What it may be called: of its file's or folder's name.
    image, mask
        As the manifest names them: a file, a folder or a zip.
    cells
        What the DICOM header says for other columns of the manifest, such as ``patient_id``; never shown by us.
    """

    name: str
    image: Path
    mask: Path | None = None
    cells: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotPaired:
    """A file or folder that is in no row, or not as a mask, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class FoundFiles:
    """The cases, what could not be paired, and how many files are neither images nor DICOM."""

    cases: tuple[FoundCase, ...]
    others: tuple[NotPaired, ...]
    passed_over: int
