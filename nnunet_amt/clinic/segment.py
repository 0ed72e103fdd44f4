"""Segment CTs of new patients: no reference is needed, and none of their accuracy is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path, require_no_file, write_csv, write_json
from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, file_sha256, recorded_run
from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions, remove_objects
from nnunet_amt.clinic.dicom_object import Maker
from nnunet_amt.clinic.lesions import LESION_COLUMNS, Lesion, find_lesions, lesion_row, write_lesions
from nnunet_amt.clinic.model_source import opened_model
from nnunet_amt.clinic.new_cases import NewCase, NotTaken, find_new_cases
from nnunet_amt.clinic.overview import overview_png
from nnunet_amt.clinic.result_page import write_result_page
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.errors import AMTError, BadInputError, DiskFullError, ImageReadError
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.geometry import from_lps
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import write_probabilities
from nnunet_amt.nnunet.environment import require_device
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model

LABEL_MAP, PROBABILITIES, OVERVIEW, RESULT = (
    "segmentation.nii.gz",
    "probabilities.nii.gz",
    "overview.png",
    "result.json",
)
CASES_FILE, LESIONS_FILE, PAGE = "cases.csv", "lesions.csv", "index.html"
SCHEMA_VERSION = 1
_RESULT = {
    "schema_version": int,
    "case_id": str,
    "source": str,
    "made": str,
    "input_sha256": str,
    "model_sha256": str,
    "options": dict,
    "files": [str],
    "lesions": [list],
    "note": str,
}


@dataclass(frozen=True)
class SegmentOptions:
    """What is written of each case, and what a CT may be; see `ObjectOptions` and `ReadingOptions`."""

    objects: ObjectOptions = field(default_factory=lambda: ObjectOptions(kinds=()))
    reading: ReadingOptions = field(default_factory=ReadingOptions)


@dataclass(frozen=True)
class Segmented:
    """What a run has done: the cases segmented now and before, what was not taken and why, notes, and the page."""

    done: tuple[str, ...]
    kept: tuple[str, ...]
    not_taken: tuple[NotTaken, ...]
    notes: dict[str, str]  # what to know of a case, by case
    page: Path


def segment(
    inputs: Sequence[Path],
    output: Path,
    *,
    model: str,
    options: SegmentOptions | None = None,
    fold: str = "0",
    trainer: str | None = None,
    checkpoint: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Segmented:
    """Segment every CT that is found; run again, it does only what is missing.

    The CT goes through the checks and steps of the conversion, so that the network sees what it was trained on: the
    same CT as DICOM or as a file of any axes gives the same voxels. A bad one stops no other.

    Parameters
    ----------
    inputs
        See `find_new_cases`.
    output
        Gets a folder a case (label map on the input's own axes, probabilities, overview picture, DICOM objects), and of
        all cases ``cases.csv``, ``lesions.csv`` and ``index.html``.
    model, fold, trainer, checkpoint
        See `opened_model`.
    options
        What is written and read.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    BadInputError
        If nothing that was given is a CT, or the model may not be used.
    """
    options = options or SegmentOptions()
    require_no_file(output)
    cases, not_taken = find_new_cases(inputs, options=options.reading)
    if not cases:
        reasons = f": {not_taken[0].given.name}: {not_taken[0].reason}" if not_taken else ""
        raise BadInputError(f"no CT can be used of {len(not_taken)} found{reasons}")
    with opened_model(model, fold=fold, trainer=trainer, checkpoint=checkpoint) as weights:
        cases = [_beside_others(case, output) for case in cases]
        run = _Run(output, file_sha256(weights) or "", weights.parents[1].name.partition("__")[0], options)
        device = require_device(device)
        results = {case.case_id: result for case in cases if (result := run.finished(case)) is not None}
        kept = tuple(results)
        missing = [case for case in cases if case.case_id not in results]
        inputs_recorded: dict[str, Path | RunInput] = {"checkpoint": weights}
        with recorded_run(
            output, "segment", settings=options, inputs=inputs_recorded, outputs=(CASES_FILE, LESIONS_FILE),
            device=device,
        ) as notes:  # fmt: skip
            if missing:
                segmented, refused = run.segment_all(missing, load_model(weights, device=device), progress)
                results |= segmented
                not_taken += refused
            everything = {**_earlier(output), **results}
            _write_tables(output, everything, not_taken)
            write_result_page(output / PAGE, output, everything, not_taken)
            notes.counts |= {"cases": len(results), "segmented_now": len(results) - len(kept)}
            notes.nothing_done = not missing
    done = tuple(case_id for case_id in results if case_id not in kept)
    told = {case_id: result["note"] for case_id, result in results.items() if result["note"]}
    return Segmented(done, kept, tuple(not_taken), told, output / PAGE)


def _beside_others(case: NewCase, output: Path) -> NewCase:
    """Give a case another name where another CT has a result under this one."""
    result = _read_result(output / case.case_id / RESULT)
    return case if result is None or result["input_sha256"] == case.digest else case.marked()


def _earlier(output: Path) -> dict[str, dict[str, Any]]:
    """Read what stands in the folder of this and earlier runs, by case."""
    found = (_read_result(path) for path in sorted(output.glob(f"*/{RESULT}")))
    return {result["case_id"]: result for result in found if result is not None}


def _read_result(path: Path) -> dict[str, Any] | None:
    """Read the file that ends a case; None where there is none, or it is damaged: the case is done again then."""
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = read_json(path, form=_RESULT, advice="it is made again")
    except AMTError:
        return None
    return result


@dataclass(frozen=True)
class _Run:
    """What is the same for all cases of a run: where to, the model, and the options."""

    output: Path
    model_sha256: str
    trainer: str
    options: SegmentOptions

    def finished(self, case: NewCase) -> dict[str, Any] | None:
        """Give the result of an earlier run of the same CT, model and options, if all of its files are there."""
        path = self.output / case.case_id / RESULT
        result = _read_result(path)
        if result is None:
            return None
        same = (
            result["input_sha256"] == case.digest
            and result["model_sha256"] == self.model_sha256
            and result["options"] == _plain(self.options)
        )
        return result if same and all((path.parent / name).is_file() for name in result["files"]) else None

    def segment_all(
        self, cases: Sequence[NewCase], model: LoadedModel, progress: Progress
    ) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
        """Segment one case after the other; give the results, and why others have none."""
        results: dict[str, dict[str, Any]] = {}
        refused: list[NotTaken] = []
        progress(0, len(cases), "segmenting")
        for number, (case, values) in enumerate(_read_ahead(cases, self.options), start=1):
            try:
                if isinstance(values, AMTError):
                    raise values
                results[case.case_id] = self.segment(case, values, model)
            except DiskFullError:
                raise  # it is full for the others too
            except AMTError as error:
                refused.append(NotTaken.because(Path(case.source), error))
            progress(number, len(cases), "segmenting")
        return results, refused

    def segment(self, case: NewCase, values: NDArray[np.signedinteger], model: LoadedModel) -> dict[str, Any]:
        """Predict a case and write all of it; the file that says so comes last."""
        folder = self.output / case.case_id
        (folder / RESULT).unlink(missing_ok=True)  # what is there is no longer the result of one run
        remove_objects(folder)
        predicted = model.predict(values, case.grid.spacing[::-1], probabilities=True)
        mask = predicted.labels == 1
        lesions = find_lesions(
            mask, case.grid, image=values, probability_levels=predicted.levels,
            minimum_voxels=self.options.objects.minimum_voxels,
        )  # fmt: skip
        own = case.own_grid if case.own_grid != case.grid else None
        files = [LABEL_MAP, OVERVIEW]
        labels = predicted.labels if own is None else from_lps(predicted.labels, own)
        write_nifti(folder / LABEL_MAP, labels, geometry=case.own_grid)
        if predicted.levels is not None:
            levels = predicted.levels if own is None else from_lps(predicted.levels, own)
            write_probabilities(folder / PROBABILITIES, levels, geometry=case.own_grid)
            files.append(PROBABILITIES)
        maker = Maker(self.trainer, self.model_sha256)
        with atomic_path(folder / OVERVIEW) as partial:
            partial.write_bytes(overview_png(values, mask, lesions, spacing=case.grid.spacing))
        objects, names, note = self._objects(case, values, mask, lesions, maker)
        result = {
            "schema_version": SCHEMA_VERSION,
            "case_id": case.case_id,
            "source": case.source,
            "made": datetime.now().isoformat(timespec="seconds"),
            "input_sha256": case.digest,
            "model_sha256": self.model_sha256,
            "options": _plain(self.options),
            "files": [*files, *(path.name for path in objects)],
            "lesions": [
                lesion_row(case.case_id, one, slice_name=name) for one, name in zip(lesions, names, strict=True)
            ],
            "note": note,
        }
        write_json(folder / RESULT, result)
        return result

    def _objects(
        self,
        case: NewCase,
        values: NDArray[np.signedinteger],
        mask: NDArray[np.bool_],
        lesions: list[Lesion],
        maker: Maker,
    ) -> tuple[list[Path], list[object], str]:
        """Write the DICOM objects that are asked for; give them, the names of the lesions' slices, and what to know."""
        if not isinstance(case.ct, DicomSeries) or case.ct.shifts is not None:
            why = "a straightened CT" if isinstance(case.ct, DicomSeries) else "no DICOM series"
            note = f"no DICOM objects: the CT is {why}" if self.options.objects.kinds else ""
            return [], [lesion.axial_slice + 1 for lesion in lesions], note
        try:
            source = SourceSeries.of(case.ct)
        except ImageReadError as error:  # it can be segmented all the same
            note = f"no DICOM objects: {error}" if self.options.objects.kinds else ""
            return [], [lesion.axial_slice + 1 for lesion in lesions], note
        objects = CaseObjects(source, values, mask, lesions)
        names = [objects.slice_name(lesion) for lesion in lesions]
        if not self.options.objects.kinds:
            return [], names, ""
        files = objects.write(self.output / case.case_id, maker=maker, options=self.options.objects)
        return files, names, source.note if files else "no DICOM objects: nothing was found"


def _plain(options: SegmentOptions) -> dict[str, Any]:
    """Give options as they come back from JSON."""
    plain = asdict(options)
    plain["objects"]["kinds"] = list(options.objects.kinds)
    return plain


def _read_ahead(
    cases: Sequence[NewCase], options: SegmentOptions
) -> Iterator[tuple[NewCase, NDArray[np.signedinteger] | AMTError]]:
    """Read each case while the one before is segmented; in place of one that cannot be read comes the reason."""

    def read(case: NewCase) -> NDArray[np.signedinteger] | AMTError:
        try:
            return case.read(keep_intensities=options.reading.keep_intensities)
        except AMTError as error:
            return error

    with ThreadPoolExecutor(1) as thread:
        following: Future[NDArray[np.signedinteger] | AMTError] | None = None
        for number, case in enumerate(cases):
            now = following or thread.submit(read, case)
            values = now.result()
            following = thread.submit(read, cases[number + 1]) if number + 1 < len(cases) else None
            yield case, values


def _write_tables(output: Path, results: dict[str, dict[str, Any]], not_taken: Sequence[NotTaken]) -> None:
    write_lesions(output / LESIONS_FILE, [row for result in results.values() for row in result["lesions"]])
    volume = LESION_COLUMNS.index("volume_cm3")
    rows: list[list[object]] = [
        [case_id, "segmented", len(result["lesions"]), f"{sum(float(row[volume]) for row in result['lesions']):.3f}",
         result["note"], result["source"]]
        for case_id, result in results.items()
    ]  # fmt: skip
    rows += [[one.given.name, "not taken", "", "", one.reason, str(one.given)] for one in not_taken]
    write_csv(output / CASES_FILE, ("case_id", "state", "lesions", "volume_cm3", "note", "source"), rows)
