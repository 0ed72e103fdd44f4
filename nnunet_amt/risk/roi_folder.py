"""A folder of ROIs, an ``.npz`` a case: written on several workers, found again by a later run, read back.

What is cut of a case, and how, is for those who write the folder: `nnunet_amt.risk.rois`, and
`nnunet_amt.risk.fusion.lesion_crops`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from nnunet_amt.base.files import atomic_path, read_rows, require_no_file, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.base.workers import open_workers
from nnunet_amt.errors import AMTError, BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import find_label_maps, named_cases
from nnunet_amt.evaluation.results.result_folder import require_apart
from nnunet_amt.risk.tumour_planes import ADJACENT_MM, RoiNote

ROI_FILE = "rois.csv"
CUT_ROIS = "nnunet_amt risk rois"  # the command that cuts them
_VERSION = 1  # change it when the same files must be cut otherwise than before
_ABOUT = "about"
# Beyond it slices are no axial ones, though they are those that the scanner made.
_TILT_DEGREES = 10.0

_logger = logging.getLogger(__name__)


class RoiCase(Protocol):
    """What of a case its ROI is cut from."""

    @property
    def case_id(self) -> str:
        """Name of the case in the dataset."""

    @property
    def image(self) -> Path:
        """CT."""

    @property
    def mask(self) -> Path:
        """Reference mask."""


AnyCase = TypeVar("AnyCase", bound=RoiCase)
Arrays = Mapping[str, np.ndarray]


class Cut(Protocol):
    """A function of a module, or a partial of one, that cuts the ROI of a case; workers import it."""

    def __call__(self, image: Path, mask: Path, *, case_id: str, foreground: int) -> tuple[Arrays | None, RoiNote]:
        """Give the arrays of the ROI by name; None where there is none, and the note says why."""


@dataclass(frozen=True)
class RoiSummary:
    """What `write_roi_folder` did."""

    notes: tuple[RoiNote, ...]  # of every case, in the cohort's order
    file: Path  # rois.csv

    @property
    def without(self) -> dict[str, str]:
        """Cases without a ROI, and why."""
        return {note.case_id: note.reason for note in self.notes if note.reason}

    @property
    def below(self) -> tuple[str, ...]:
        """Cases whose second plane is 1 mm nearer to the feet."""
        return tuple(note.case_id for note in self.notes if note.adjacent_mm == -1)


@dataclass(frozen=True)
class _Job:
    case_id: str
    image: Path
    mask: Path
    file: Path
    foreground: int
    cut: Cut
    made_by: str  # settings of the cut


def write_roi_folder(
    cases: Sequence[AnyCase],
    *,
    output: Path,
    cut: Cut,
    settings: Mapping[str, object],
    columns: Mapping[str, Callable[[AnyCase], str]],
    masks: Path | None = None,
    foreground: int = 1,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> RoiSummary:
    """Cut the ROI of every case and write it as ``<case id>.npz``, and ``rois.csv`` with a row a case.

    What an earlier run has cut of the same files with the same settings stays. A case whose mask is empty, or whose
    tumour has no voxel 1 mm above or below its largest slice, has no ROI; ``rois.csv`` says so.

    Parameters
    ----------
    cases
        In the order of the table.
    output
        Folder of the ROIs; made where missing.
    cut, settings
        How a ROI is cut, and what of it a ROI depends on.
    columns
        What the table says of a case beside its ROI.
    masks
        Folder with a predicted label map ``<case id>.nii.gz`` of each case; by default the reference masks are taken.
        Those of other cases in it are passed over.
    foreground
        The value of tumour in a mask that holds others than 0 and 1.
    jobs, executor, progress
        See `nnunet_amt.base.workers.open_workers`.

    Raises
    ------
    UnmatchedCasesError
        If a case has no predicted mask.
    BadInputError
        One of its subclasses: if nothing can be written to `output`, or an image or mask is damaged, holds other
        labels, or does not lie on the grid of the other. The first such case is named; the others are done.
    """
    output = output.absolute()  # workers may be in other folders
    require_no_file(output)
    own_masks = {case.mask.parent for case in cases} if masks is None else {masks}
    folders = sorted({case.image.parent for case in cases} | own_masks)
    for folder in folders:
        require_apart(output, folder, "images or masks")
    made_by = {**settings, "adjacent_mm": ADJACENT_MM, "foreground": foreground}
    work = [
        _Job(
            *(case.case_id, case.image.absolute(), mask.absolute(), output / f"{case.case_id}.npz"),
            *(foreground, cut, json.dumps(made_by, sort_keys=True)),
        )
        for case, mask in zip(cases, _masks(cases, masks), strict=True)
    ]
    inputs = {folder.name: RunInput(folder, "names_and_sizes") for folder in folders}
    said = {**made_by, "masks": "reference" if masks is None else "predicted"}
    with recorded_run(output, "rois", settings=said, inputs=inputs, outputs=(ROI_FILE,)) as record:
        (output / ROI_FILE).unlink(missing_ok=True)  # it names what is whole
        with open_workers(jobs=min(jobs, max(1, len(work))), executor=executor, progress=progress) as workers:
            results = workers.each(_cut_and_write, work, "cutting ROIs")
        notes = _without_failures(results)
        _write_table(output / ROI_FILE, notes, cases, columns)
        summary = RoiSummary(notes, output / ROI_FILE)
        record.counts.update({"cases": len(notes), "without_roi": len(summary.without), "below": len(summary.below)})
    _tell(summary)
    return summary


def read_roi_arrays(folder: Path, *names: str) -> dict[str, dict[str, np.ndarray]]:
    """Read the arrays of the ROIs in a folder, by case, in the order of ``rois.csv``.

    Cases without a ROI are not among them. Raises BadInputError if the table or one of the files is not there, or
    damaged, or of another kind of ROI.
    """
    return {
        case_id: _read_arrays(folder / f"{case_id}.npz", case_id, names)
        for case_id, reason in reasons_without_roi(folder).items()
        if not reason
    }


def reasons_without_roi(folder: Path, *, command: str = CUT_ROIS) -> dict[str, str]:
    """Read why cases have no ROI in a folder, by case, empty for those that have one.

    Raises BadInputError if the table is not there, or damaged; it names the `command` that cuts them.
    """
    path = folder / ROI_FILE
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {ROI_FILE}, so no ROIs, or not all of them; run {command}")
    return {row["case_id"]: row["reason"] for row in read_rows(path, "case_id", "reason")}


def _read_arrays(file: Path, case_id: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in names}
    except Exception as error:  # zipfile, zlib and numpy raise what they like
        reason = "is not there" if not file.exists() else "is damaged"
        raise BadInputError(f"{file}: ROI of case {case_id} {reason}; cut the ROIs again") from error


def _masks(cases: Sequence[RoiCase], folder: Path | None) -> list[Path]:
    """Find the mask of every case, before any image is read."""
    if folder is None:
        return [case.mask for case in cases]
    found = find_label_maps(folder)
    if missing := [case.case_id for case in cases if case.case_id not in found]:
        raise UnmatchedCasesError(
            f"{folder}: no label map for {named_cases(missing)}; predict them, or cut the ROIs of the other split alone"
        )
    return [found[case.case_id] for case in cases]


def _cut_and_write(job: _Job) -> RoiNote:
    """Cut and write a ROI, unless the file is there and of the same image and mask."""
    made_from = _made_from(job)
    earlier = _earlier_note(job.file, made_from)
    if earlier is not None:
        return earlier
    arrays, note = job.cut(job.image, job.mask, case_id=job.case_id, foreground=job.foreground)
    if arrays is None:
        job.file.unlink(missing_ok=True)
        return note
    content: dict[str, Any] = {_ABOUT: np.array(json.dumps({"made_from": made_from, "note": asdict(note)})), **arrays}
    with atomic_path(job.file) as partial:
        np.savez_compressed(partial, **content)
    return note


def _made_from(job: _Job) -> str:
    """Digest what the ROI depends on: the files, by name, size and time, and how it is cut."""
    parts: list[object] = [_VERSION, job.made_by]
    for path in (job.image, job.mask):
        if path.is_file():
            parts += [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns]
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()


def _earlier_note(file: Path, made_from: str) -> RoiNote | None:
    try:
        with np.load(file, allow_pickle=False) as content:
            about = json.loads(str(content[_ABOUT]))
            return RoiNote(**about["note"]) if about["made_from"] == made_from else None
    except Exception:  # not there, or not whole: it is cut again
        return None


def _without_failures(results: Sequence[RoiNote | AMTError]) -> tuple[RoiNote, ...]:
    notes = tuple(result for result in results if isinstance(result, RoiNote))
    failures = [result for result in results if isinstance(result, AMTError)]
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise type(failures[0])(
            f"{failures[0]}{more}; {len(notes)} of {len(results)} ROIs are cut, mend the others and run this again"
        )
    return notes


def _write_table(
    path: Path, notes: Sequence[RoiNote], cases: Sequence[AnyCase], columns: Mapping[str, Callable[[AnyCase], str]]
) -> None:
    names = [one.name for one in fields(RoiNote) if one.name != "case_id"]
    rows = []
    for note, case in zip(notes, cases, strict=True):
        cells = [getattr(note, name) for name in names]
        rows.append(
            [case.case_id, *(column(case) for column in columns.values())]
            + [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells]
        )
    write_csv(path, ("case_id", *columns, *names), rows)


def _tell(summary: RoiSummary) -> None:
    """Say what is not as usual; all of it is in ``rois.csv``."""
    by_reason: dict[str, list[str]] = {}
    for case_id, reason in summary.without.items():
        by_reason.setdefault(reason, []).append(case_id)
    for reason, case_ids in by_reason.items():
        _logger.warning("no ROI of %s: %s", named_cases(case_ids), reason)
    if summary.below:
        _logger.info("the plane 1 mm nearer to the feet is taken in %s", named_cases(summary.below))
    if tilted := {note.case_id: note.tilt_degrees for note in summary.notes if note.tilt_degrees > _TILT_DEGREES}:
        _logger.warning(
            "slices of %s are tilted against the axial plane, by up to %.0f degrees; ROIs are cut from the slices",
            named_cases(list(tilted)),
            max(tilted.values()),
        )
