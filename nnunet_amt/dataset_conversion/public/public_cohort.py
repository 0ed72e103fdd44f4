"""What the manifests of public cohorts have in common: rows, label files, and notes for ``dataset.json``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import TypeVar

import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.base.files import files_below, numbered_rows, why_unreadable, write_csv, write_json
from nnunet_amt.base.json_file import parse_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.cohort import Split, read_manifest
from nnunet_amt.errors import ManifestError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import write_image

Item = TypeVar("Item")

_NAMED_AT_MOST = 5
_COLUMNS = ("case_id", "patient_id", "institution", "image", "mask", "split", "roi", "exclusion_reason")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublicCase:
    """A row of the manifest of a public cohort."""

    # As the cohort names them
    case_id: str
    patient_id: str
    # The CT and its mask; None for excluded cases
    image: Path | None = None
    mask: Path | None = None
    roi: str | None = None  # ROI of an RTSTRUCT
    exclusion_reason: str | None = None  # why the case takes no part; None if it does


def write_public_manifest(
    output: Path, *, cases: Sequence[PublicCase], institution: str, split: Split | None, notes: Mapping[str, str]
) -> Path:
    """Write a manifest, a CSV file whose paths are relative to its folder, and its notes, see `read_notes`.

    All cases have one institution, as public cohorts do not tell theirs apart, and one split; None to have it drawn.
    Cases that take no part are in it with their reason, and a warning tells of them. Raises ManifestError if no case
    takes part.
    """
    if all(case.exclusion_reason for case in cases):
        reasons = ", ".join(sorted({case.exclusion_reason or "" for case in cases})) or "there are no files"
        raise ManifestError(f"{output.name}: no case of the cohort can be used ({reasons}); check the source folder")
    rows = []
    for case in cases:
        paths = [_relative(path, output.parent) for path in (case.image, case.mask)]
        given = "" if case.exclusion_reason else split or ""
        row = (case.case_id, case.patient_id, institution, *paths, given, case.roi or "", case.exclusion_reason or "")
        rows.append(row)
    _write_rows(output, rows, notes)
    for reason in dict.fromkeys(case.exclusion_reason for case in cases if case.exclusion_reason):
        named = [case.case_id for case in cases if case.exclusion_reason == reason]
        more = ", ..." if len(named) > _NAMED_AT_MOST else ""
        logger.warning(
            "%s: %d of %d cases are left out, %s: %s%s",
            output.name,
            len(named),
            len(cases),
            reason,
            ", ".join(named[:_NAMED_AT_MOST]),
            more,
        )
    return output


def join_manifests(manifests: Sequence[Path], output: Path) -> Path:
    """Join manifests to one: a public cohort counts as one institution, and a split needs several.

    They are as `write_public_manifest` wrote them, or a hospital's own, and their files stay where they are; the notes
    are those of all of them. Raises ManifestError if one cannot be read, or lacks a column.
    """
    columns = dict.fromkeys(_COLUMNS)
    rows: list[dict[str, str]] = []
    notes: dict[str, list[str]] = {}
    subjects: set[str] = set()
    for manifest in manifests:
        read_manifest(manifest)  # names what is wrong with it
        lines = numbered_rows(manifest, "a manifest")
        _, names = next(lines, (1, []))
        for _, row in lines:
            given = (*row, *[""] * len(names))  # cells at the end of a row may be left out
            cells = {name.lower(): cell for name, cell in zip(names, given, strict=False) if name}
            for column in ("image", "mask", *(["mask_2"] if "mask_2" in cells else [])):
                cells[column] = _relative(manifest.parent / cells[column] if cells[column] else None, output.parent)
            columns |= dict.fromkeys(cells)
            if any(cells.values()):
                rows.append(cells)
        own = read_notes(manifest)
        subjects.add(own.pop("subjects", "patients").strip().casefold())
        cohort = own.get("cohort_reference", "").partition(",")[0]
        for key, value in own.items():
            named = cohort and key != "cohort_reference"
            notes.setdefault(key, []).append(f"{cohort}: {value}" if named else value)
    if subjects != {"patients"}:
        notes["subjects"] = [" and ".join(sorted(subjects))]
    table = [[row.get(column, "") for column in columns] for row in rows]
    _write_rows(output, table, {key: " ".join(values) for key, values in notes.items()}, tuple(columns))
    return output


def notes_path(manifest: Path) -> Path:
    """Name the file beside a manifest that holds its notes: ``manifest.csv`` has ``manifest.notes.json``."""
    return manifest.with_name(f"{manifest.stem}.notes.json")


def read_notes(manifest: Path) -> dict[str, str]:
    """Read what the notes beside a manifest say, for ``dataset.json``: what the CTs are of, and how labels were made.

    For example ``subjects`` (``"phantoms"``; without it patients), ``label_origin`` and ``cohort_reference``; empty if
    there are no notes. Raises ManifestError if they are no JSON object of texts.
    """
    path = notes_path(manifest)
    if not path.exists():
        return {}
    try:
        notes = parse_json(path)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path.name}: is no JSON ({type(error).__name__}); correct or remove it") from error
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise ManifestError(f"{path.name}: must be a JSON object of texts; correct or remove it")
    return notes


def write_label_file(
    path: Path, labels: NDArray, *, geometry: Geometry, header: Mapping[str, str] | None = None
) -> None:
    """Write labels (z, y, x) on a grid; `header` goes into the file's header (NRRD only)."""
    image = sitk.GetImageFromArray(labels)
    geometry.set_on(image)
    for key, value in (header or {}).items():
        image.SetMetaData(key, value)
    write_image(path, image)


def is_up_to_date(made: Path, *sources: Path) -> bool:
    """Tell whether a file that was made of others is there and no older than they."""
    return made.exists() and all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)


def as_case_id(name: str) -> str:
    """Replace what a case_id must not hold, and an end like a channel number of nnU-Net's: ``mela-0001``."""
    allowed = re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip("_.-")
    return re.sub(r"_(\d{4})$", r"-\1", allowed)


def reported(items: Sequence[Item], progress: Progress, what: str) -> Iterator[Item]:
    """Give the items one by one, and report before each and after the last how many are done."""
    for done, item in enumerate(items):
        progress(done, len(items), what)
        yield item
    progress(len(items), len(items), what)


def visible_files(source: Path, pattern: str) -> list[Path]:
    """Find files below a folder, sorted; not those that macOS adds to its archives (``._name``).

    A linked subfolder, and a file of that pattern that has no content, is a ManifestError: cases would be left out.
    """
    found = []
    try:
        below = files_below(source)
    except OSError as error:
        raise ManifestError(
            f"{source.name}: a folder in it cannot be read ({error.strerror}); check its permissions"
        ) from error
    for path in (path for path in below if not path.name.startswith(".")):
        reason = why_unreadable(path)
        if reason and (path.is_dir() or fnmatch(path.name, pattern)):
            raise ManifestError(f"{path.relative_to(source)} {reason}")
        if fnmatch(path.name, pattern):
            found.append(path)
    return found


def _write_rows(
    output: Path, rows: Sequence[Sequence[str]], notes: Mapping[str, str], columns: Sequence[str] = _COLUMNS
) -> None:
    write_json(notes_path(output), dict(notes))
    write_csv(output, columns, rows)


def _relative(path: Path | None, folder: Path) -> str:
    """Give a path from a folder on; a link keeps its name, as what it leads to may have none that tells the format."""
    if path is None:
        return ""
    return Path(os.path.relpath(path.parent.resolve() / path.name, folder.resolve())).as_posix()
