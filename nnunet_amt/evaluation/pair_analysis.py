"""What every analysis of a folder of predictions shares: pairs found and checked, results opened, case by case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput
from nnunet_amt.errors import AMTError, BadInputError, WorkFailedError
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_case
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, check_headers, find_pairs
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.image_file import itk_warnings_off
from nnunet_amt.images.mask_file import read_foreground

Result = TypeVar("Result")
# A process takes about a second to start, in which this one evaluates as many cases.
_CASES_WORTH_A_PROCESS = 50


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Both masks of a case, on one grid."""

    case_id: str
    prediction: Foreground
    reference: Foreground


def paired_cases(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    apart: Mapping[str, Path | None] | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
) -> tuple[LabelMapPair, ...]:
    """Find the pairs of two folders, and refuse an output that would write over what is read.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder of the results.
    apart
        Further folders that are read, by what is in them.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    jobs
        How many cases are to be read at the same time.

    Raises
    ------
    BadInputError
        If `jobs` is not positive, or `output` is one of the folders or above one; its subclasses if cases do not
        pair up.
    """
    if jobs < 1:
        raise BadInputError(f"jobs is {jobs}; give a whole number, 1 or more")
    for what, further in (apart or {}).items():
        if further is not None and further not in (predictions, references):
            require_apart(output, further, what)
    for folder in (predictions, references):
        require_apart(output, folder, "the label maps")
    return find_pairs(predictions, references, missing_as_empty=missing_as_empty)


def checked_pairs(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    apart: Mapping[str, Path | None] | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[LabelMapPair, ...]:
    """Find pairs as `paired_cases` does, and check what can be checked without reading voxels.

    Raises
    ------
    BadInputError
        As `paired_cases`; its subclasses also if geometries differ.
    """
    pairs = paired_cases(predictions, references, output, apart=apart, missing_as_empty=missing_as_empty, jobs=jobs)
    check_headers(pairs, progress=progress)
    return pairs


@contextmanager
def pair_results(
    output: Path,
    *,
    pairs: Sequence[LabelMapPair],
    stage: str,
    file_names: Collection[str],
    settings: Mapping[str, Any] | EvaluationSettings,
    inputs: Mapping[str, Path | RunInput | None],
    missing_as_empty: bool,
    seed: int | None = None,
) -> Iterator[Path]:
    """Give a folder to write the results of pairs to, see `recorded_results`; the record counts and tells of them."""
    recorded = recorded_results(output, file_names=file_names, stage=stage, settings=settings, inputs=inputs, seed=seed)
    with itk_warnings_off(), recorded as (folder, notes):
        notes.counts["cases"] = len(pairs)
        notes.settings["missing_as_empty"] = missing_as_empty
        yield folder


def read_mask_pair(pair: LabelMapPair, *, tumour: int = 1) -> MaskPair:
    """Read both masks of a case, in which `tumour` stands for tumour; a missing prediction is an empty one.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and that of tumour.
    """
    reference = read_foreground(pair.reference, case_id=pair.case_id, foreground=tumour)
    if pair.prediction is None:
        return MaskPair(pair.case_id, Foreground((), reference.spacing), reference)
    return MaskPair(pair.case_id, read_foreground(pair.prediction, case_id=pair.case_id, foreground=tumour), reference)


def for_each_pair(
    work: Callable[[LabelMapPair], Result],
    pairs: Sequence[LabelMapPair],
    *,
    what: str,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[Result, ...]:
    """Do `work` for every pair, `jobs` at the same time, and tell of each one done; results in the pairs' order."""
    results = []
    executor = ThreadPoolExecutor(jobs)  # reading and labelling release the interpreter's lock
    try:
        with itk_warnings_off():
            for result in executor.map(work, pairs):
                results.append(result)
                progress(len(results), len(pairs), what)
    finally:
        executor.shutdown(cancel_futures=True)
    return tuple(results)


def evaluate_cases(
    pairs: Sequence[LabelMapPair],
    *,
    settings: EvaluationSettings,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> tuple[CaseEvaluation, ...]:
    """Evaluate pairs of label maps whose geometry has been checked, in this process, in several, or on a cluster.

    Parameters
    ----------
    pairs
        The cases.
    settings
        Of the evaluation.
    jobs
        Processes at most; so few cases that a process would not pay are evaluated in this one.
    executor
        ``dask://HOST:PORT`` for the workers of that scheduler; None for `jobs`.
    progress
        Told after every case.

    Returns
    -------
    tuple of CaseEvaluation
        In the order of `pairs`.

    Raises
    ------
    BadInputError
        Of the first case that cannot be evaluated, or if no scheduler answers.
    WorkFailedError
        If a worker was killed.
    """
    what, work = "evaluating cases", partial(evaluate_case, settings=settings)
    jobs = min(jobs, len(pairs) // _CASES_WORTH_A_PROCESS)
    if executor is None and jobs < 2:
        cases = []
        for pair in pairs:
            cases.append(work(pair))
            progress(len(cases), len(pairs), what)
        return tuple(cases)
    from nnunet_amt.base.workers import open_workers  # not needed for most evaluations

    with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
        results = workers.each(work, [_absolute(pair) for pair in pairs], what)
    _require_all(pairs, results)
    return tuple(result for result in results if isinstance(result, CaseEvaluation))


def _absolute(pair: LabelMapPair) -> LabelMapPair:
    """Give the pair with paths that workers in other folders understand."""
    prediction = None if pair.prediction is None else pair.prediction.absolute()
    return replace(pair, prediction=prediction, reference=pair.reference.absolute())


def _require_all(pairs: Sequence[LabelMapPair], results: Sequence[CaseEvaluation | AMTError]) -> None:
    failed = [(pair, result) for pair, result in zip(pairs, results, strict=True) if isinstance(result, AMTError)]
    if not failed:
        return
    pair, error = failed[0]
    name = f"case {pair.case_id}: " if isinstance(error, WorkFailedError) else ""
    more = f" ({len(failed) - 1} more cases cannot be evaluated)" if len(failed) > 1 else ""
    raise type(error)(f"{name}{error}{more}") from error
