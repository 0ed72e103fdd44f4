"""Segment CTs of new patients: no reference is needed, and none of their accuracy is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path, require_no_file, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, file_sha256, recorded_run
from nnunet_amt.base.workers import open_workers
from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions, remove_objects
from nnunet_amt.clinic.case_results import (
    CASES_FILE,
    CT_CROP,
    LABEL_MAP,
    LESIONS_FILE,
    OVERVIEW,
    PAGE,
    PROBABILITIES,
    RESULT,
    SCHEMA_VERSION,
    read_result,
    results_in,
    write_tables,
)
from nnunet_amt.clinic.dicom_object import Maker
from nnunet_amt.clinic.lesions import Lesion, find_lesions, lesion_row
from nnunet_amt.clinic.model_source import opened_model, require_no_zip
from nnunet_amt.clinic.new_cases import NewCase, NotTaken, find_new_cases
from nnunet_amt.clinic.overview import overview_png
from nnunet_amt.clinic.page_viewer import worth_seeing, write_ct_crop
from nnunet_amt.clinic.result_page import write_result_page
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.errors import AMTError, BadInputError, ImageReadError
from nnunet_amt.evaluation.operating_points.point import OperatingPoint, apply_point
from nnunet_amt.evaluation.operating_points.point_file import point_record, read_point
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.geometry import array_to_lps, from_lps
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import LOWEST_OF_TUMOUR, read_probabilities, write_probabilities
from nnunet_amt.nnunet.environment import require_device
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model
from nnunet_amt.nnunet.network_grid import NetworkInput, Prediction
from nnunet_amt.nnunet.predict_cases import beside_network


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
    operating_point: str | None = None,
    device: str = "auto",
    jobs: int = 1,
    executor: str | None = None,
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
    operating_point
        Name of one of the model's points, see `read_point`; None for the argmax. Where the probabilities of a case are
        there, the network is not run again.
    options
        What is written and read.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    jobs, executor
        One loads the model once, and reads and writes beside the network; more are processes, or the workers of a
        cluster (``dask://HOST:PORT``), that load it each. The results are the same.
    progress
        Told of every case.

    Raises
    ------
    BadInputError
        If nothing that was given is a CT, or the model may not be used.
    """
    options = options or SegmentOptions()
    require_no_file(output)
    if executor is not None:  # its workers may be in other folders
        require_no_zip(model)
        inputs, output = [path.absolute() for path in inputs], output.absolute()
    cases, not_taken = find_new_cases(inputs, options=options.reading)
    if not cases:
        reasons = f": {not_taken[0].given.name}: {not_taken[0].reason}" if not_taken else ""
        raise BadInputError(f"no CT can be used of {len(not_taken)} found{reasons}")
    with opened_model(model, fold=fold, trainer=trainer, checkpoint=checkpoint) as weights:
        cases = [_beside_others(case, output) for case in cases]
        digest = file_sha256(weights) or ""
        point = None if operating_point is None else read_point(weights, operating_point, sha256=digest).point
        run = _Run(output, digest, weights.parents[1].name.partition("__")[0], options, point)
        device = require_device(device)
        results = {case.case_id: result for case in cases if (result := run.finished(case)) is not None}
        kept = tuple(results)
        missing = [case for case in cases if case.case_id not in results]
        inputs_recorded: dict[str, Path | RunInput] = {"checkpoint": weights}
        with recorded_run(
            output, "segment", settings=options, inputs=inputs_recorded, outputs=(CASES_FILE, LESIONS_FILE),
            device=device,
        ) as notes:  # fmt: skip
            if point is not None:
                notes.settings["operating_point"] = asdict(point)
            if missing:
                if executor is None and min(jobs, len(missing)) == 1:
                    model_in_memory = cache(lambda: load_model(weights, device=device))  # if a case needs it
                    segmented, refused = run.segment_all(missing, model_in_memory, progress)
                else:
                    segmented, refused = run.segment_elsewhere(
                        missing, jobs, executor, progress, weights=weights.absolute(), device=device
                    )
                results |= segmented
                not_taken += refused
            everything = {**results_in(output), **results}
            write_tables(output, everything, not_taken)
            write_result_page(output / PAGE, output, everything, not_taken, progress=progress)
            notes.counts |= {"cases": len(results), "segmented_now": len(results) - len(kept)}
            notes.nothing_done = not missing
    done = tuple(case_id for case_id in results if case_id not in kept)
    told = {case_id: result["note"] for case_id, result in results.items() if result["note"]}
    return Segmented(done, kept, tuple(not_taken), told, output / PAGE)


def _beside_others(case: NewCase, output: Path) -> NewCase:
    """Give a case another name where another CT has a result under this one."""
    result = read_result(output / case.case_id / RESULT)
    return case if result is None or result["input_sha256"] == case.digest else case.marked()


@dataclass(frozen=True, eq=False)
class _ReadCT:
    """A CT with what the network is given of it, and then says; or with what it said in an earlier run."""

    values: NDArray[np.signedinteger]  # (z, y, x), HU, LPS axes
    saved: Prediction | None
    prepared: NetworkInput | None
    logits: torch.Tensor | None = None


def _run_network(ct: _ReadCT, model: Callable[[], LoadedModel]) -> _ReadCT:
    return ct if ct.prepared is None else replace(ct, logits=model().logits(ct.prepared))


@dataclass(frozen=True)
class _Run:
    """What is the same for all cases of a run: where to, the model, and the options."""

    output: Path
    model_sha256: str
    trainer: str
    options: SegmentOptions
    point: OperatingPoint | None = None

    @property
    def made_by(self) -> dict[str, Any]:
        """What of a result tells the operating point; nothing for the argmax."""
        return {} if self.point is None else {"operating_point": point_record(self.point)}

    def finished(self, case: NewCase) -> dict[str, Any] | None:
        """Give the result of an earlier run of the same CT, model and options, if all of its files are there."""
        path = self.output / case.case_id / RESULT
        result = read_result(path)
        if result is None or not self._of_same_network(result, case):
            return None
        same = result["options"] == _plain(self.options)
        same = same and result.get("operating_point") == self.made_by.get("operating_point")
        return result if same and all((path.parent / name).is_file() for name in result["files"]) else None

    def _of_same_network(self, result: dict[str, Any], case: NewCase) -> bool:
        """Whether the network would say the same again: of the same CT, read alike."""
        return bool(
            result["input_sha256"] == case.digest
            and result["model_sha256"] == self.model_sha256
            and result["options"].get("reading") == _plain(self.options)["reading"]
        )

    def _saved(self, case: NewCase) -> Prediction | None:
        """Take what the network said of a case in an earlier run from the probabilities that were saved."""
        folder = self.output / case.case_id
        result = read_result(folder / RESULT)
        if result is None or not self._of_same_network(result, case) or not (folder / PROBABILITIES).is_file():
            return None
        if self.point is None and "operating_point" not in result:
            return None  # the argmax again, with another option: done anew
        stored = read_probabilities(folder / PROBABILITIES, case.own_grid)
        levels = stored if case.own_grid == case.grid else np.ascontiguousarray(array_to_lps(stored, case.own_grid))
        return Prediction((levels >= LOWEST_OF_TUMOUR).astype(np.uint8), levels)

    def segment_all(
        self, cases: Sequence[NewCase], model: Callable[[], LoadedModel], progress: Progress
    ) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
        """Segment cases with one model; give the results, and why others have none."""
        found: list[dict[str, Any] | AMTError] = []
        progress(0, len(cases), "segmenting")
        for _, result in beside_network(
            cases,
            read=lambda case: self.read(case, model),
            run=lambda ct: _run_network(ct, model),
            write=lambda case, ct: self.write(case, ct, model),
        ):
            found.append(result)
            progress(len(found), len(cases), "segmenting")
        return _divided(cases, found)

    def segment_elsewhere(
        self,
        cases: Sequence[NewCase],
        jobs: int,
        executor: str | None,
        progress: Progress,
        *,
        weights: Path,
        device: str,
    ) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
        """Segment cases with a model in each worker; gives what `segment_all` gives."""
        jobs = min(jobs, len(cases))
        threads = max(1, torch.get_num_threads() // jobs) if executor is None else None  # they share the cores
        work = [_Task(self, case, weights, device, threads) for case in cases]
        with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
            return _divided(cases, workers.each(_segment_task, work, "segmenting"))

    def read(self, case: NewCase, model: Callable[[], LoadedModel]) -> _ReadCT:
        """Read a CT, and bring it to the network's grid, or take what the network said of it before."""
        values = case.read(keep_intensities=self.options.reading.keep_intensities)
        saved = self._saved(case)
        return _ReadCT(values, saved, None if saved else model().prepare(values, case.network_spacing))

    def write(self, case: NewCase, ct: _ReadCT, model: Callable[[], LoadedModel]) -> dict[str, Any]:
        """Write all of a case; the file that says so comes last."""
        folder, values, predicted = self.output / case.case_id, ct.values, self._predicted(case, ct, model)
        (folder / RESULT).unlink(missing_ok=True)  # what is there is no longer the result of one run
        remove_objects(folder)
        mask = predicted.labels == 1
        lesions = find_lesions(
            mask, case.grid, image=values, probability_levels=predicted.levels,
            minimum_voxels=self.options.objects.minimum_voxels,
        )  # fmt: skip
        own = case.own_grid if case.own_grid != case.grid else None
        files = [LABEL_MAP, OVERVIEW, CT_CROP]
        labels = predicted.labels if own is None else from_lps(predicted.labels, own)
        write_nifti(folder / LABEL_MAP, labels, geometry=case.own_grid)
        if predicted.levels is not None:
            levels = predicted.levels if own is None else from_lps(predicted.levels, own)
            write_probabilities(folder / PROBABILITIES, levels, geometry=case.own_grid)
            files.append(PROBABILITIES)
        maker = Maker(self.trainer, self.model_sha256, "" if self.point is None else self.point.name)
        with atomic_path(folder / OVERVIEW) as partial:
            partial.write_bytes(overview_png(values, mask, lesions, spacing=case.grid.spacing))
        write_ct_crop(folder / CT_CROP, values, worth_seeing(mask, predicted.levels), case.grid)
        objects, names, note = self._objects(case, values, mask, lesions, maker)
        decided = f"operating point {self.point.name}" if self.point is not None else ""
        result = {
            "schema_version": SCHEMA_VERSION,
            "case_id": case.case_id,
            "source": case.source,
            "made": datetime.now().isoformat(timespec="seconds"),
            "input_sha256": case.digest,
            "model_sha256": self.model_sha256,
            "trainer": self.trainer,
            "options": _plain(self.options),
            "files": [*files, *(path.name for path in objects)],
            "lesions": [
                lesion_row(case.case_id, one, slice_name=name) for one, name in zip(lesions, names, strict=True)
            ],
            "note": "; ".join(filter(None, (decided, note))),
            **self.made_by,
        }
        write_json(folder / RESULT, result)
        return result

    def _predicted(self, case: NewCase, ct: _ReadCT, model: Callable[[], LoadedModel]) -> Prediction:
        """Make labels of what the network says, and let the operating point decide, if there is one."""
        predicted = ct.saved
        if predicted is None:
            assert ct.prepared is not None and ct.logits is not None
            predicted = model().finish(ct.logits, ct.prepared, probabilities=True)
        if self.point is None or predicted.levels is None:
            return predicted
        return Prediction(apply_point(predicted.levels, case.grid.spacing, self.point), predicted.levels)

    def _objects(
        self,
        case: NewCase,
        values: NDArray[np.signedinteger],
        mask: NDArray[np.bool_],
        lesions: list[Lesion],
        maker: Maker,
    ) -> tuple[list[Path], list[object], str]:
        """Write the DICOM objects that are asked for; give them, the names of the lesions' slices, and what to know."""
        if not isinstance(case.ct, DicomSeries) or case.ct.is_enhanced:
            why = "all of its slices are in one file" if isinstance(case.ct, DicomSeries) else "it is no DICOM series"
            note = f"no DICOM objects of this CT: {why}" if self.options.objects.kinds else ""
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


@dataclass(frozen=True)
class _Task:
    """A case for a worker."""

    run: _Run
    case: NewCase
    weights: Path
    device: str
    threads: int | None  # of the processor


def _segment_task(task: _Task) -> dict[str, Any]:
    if task.threads is not None:
        torch.set_num_threads(task.threads)

    def model() -> LoadedModel:
        return _model_here(task.weights, task.device)

    return task.run.write(task.case, _run_network(task.run.read(task.case, model), model), model)


@cache
def _model_here(weights: Path, device: str) -> LoadedModel:
    """Load a model once a process."""
    return load_model(weights, device=device)


def _divided(
    cases: Sequence[NewCase], found: Sequence[dict[str, Any] | AMTError]
) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
    """Tell results, by case, from the reasons why others have none."""
    results: dict[str, dict[str, Any]] = {}
    refused: list[NotTaken] = []
    for case, result in zip(cases, found, strict=True):
        if isinstance(result, AMTError):
            refused.append(NotTaken.because(Path(case.source), result))
        else:
            results[case.case_id] = result
    return results, refused


def _plain(options: SegmentOptions) -> dict[str, Any]:
    """Give options as they come back from JSON."""
    plain = asdict(options)
    plain["objects"]["kinds"] = list(options.objects.kinds)
    return plain
