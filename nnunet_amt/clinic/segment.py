"""Segment CTs of new patients: no reference is needed, and none of their accuracy is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from nnunet_amt.base.files import require_no_file
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, file_sha256, recorded_run
from nnunet_amt.base.workers import open_workers
from nnunet_amt.clinic.case_results import (
    CASES_FILE,
    LESIONS_FILE,
    PAGE,
    RESULT,
    read_result,
    results_in,
    write_tables,
)
from nnunet_amt.clinic.model_source import opened_model, require_no_zip, trained_on
from nnunet_amt.clinic.new_cases import NewCase, NotTaken, find_new_cases
from nnunet_amt.clinic.result_page import write_result_page
from nnunet_amt.clinic.segment_case import CaseRun, SegmentOptions, run_network
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.evaluation.operating_points.point_file import read_point
from nnunet_amt.models.folder import trainer_of
from nnunet_amt.nnunet.environment import require_device
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model
from nnunet_amt.nnunet.predict_cases import beside_network


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
    inputs = [path.absolute() for path in inputs]  # what is written of them holds in any folder
    if executor is not None:  # its workers may be in other folders
        require_no_zip(model)
        output = output.absolute()
    cases, not_taken = find_new_cases(inputs, options=options.reading)
    if not cases:
        reasons = f": {not_taken[0].given.name}: {not_taken[0].reason}" if not_taken else ""
        raise BadInputError(f"no CT can be used of {len(not_taken)} found{reasons}")
    with opened_model(model, fold=fold, trainer=trainer, checkpoint=checkpoint) as weights:
        cases = [_beside_others(case, output) for case in cases]
        digest = file_sha256(weights) or ""
        point = None if operating_point is None else read_point(weights, operating_point, sha256=digest).point
        trainer_name = trainer_of(weights.parents[1])
        run = CaseRun(output, digest, trainer_name, options, point, trained_on=trained_on(weights))
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
                    segmented, refused = _with_one_model(run, missing, model_in_memory, progress)
                else:
                    segmented, refused = _in_workers(
                        run, missing, jobs, executor, progress, weights=weights.absolute(), device=device
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


def _with_one_model(
    run: CaseRun, cases: Sequence[NewCase], model: Callable[[], LoadedModel], progress: Progress
) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
    """Segment cases with one model; give the results, and why others have none."""
    found: list[dict[str, Any] | AMTError] = []
    progress(0, len(cases), "segmenting")
    for _, result in beside_network(
        cases,
        read=lambda case: run.read(case, model),
        run=lambda ct: run_network(ct, model),
        write=lambda case, ct: run.write(case, ct, model),
    ):
        found.append(result)
        progress(len(found), len(cases), "segmenting")
    return _divided(cases, found)


def _in_workers(
    run: CaseRun,
    cases: Sequence[NewCase],
    jobs: int,
    executor: str | None,
    progress: Progress,
    *,
    weights: Path,
    device: str,
) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
    """Segment cases with a model in each worker; gives what `_with_one_model` gives."""
    jobs = min(jobs, len(cases))
    threads = max(1, torch.get_num_threads() // jobs) if executor is None else None  # they share the cores
    work = [_Task(run, case, weights, device, threads) for case in cases]
    with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
        return _divided(cases, workers.each(_segment_task, work, "segmenting"))


@dataclass(frozen=True)
class _Task:
    """A case for a worker."""

    run: CaseRun
    case: NewCase
    weights: Path
    device: str
    threads: int | None  # of the processor


def _segment_task(task: _Task) -> dict[str, Any]:
    if task.threads is not None:
        torch.set_num_threads(task.threads)

    def model() -> LoadedModel:
        return _model_here(task.weights, task.device)

    return task.run.write(task.case, run_network(task.run.read(task.case, model), model), model)


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
