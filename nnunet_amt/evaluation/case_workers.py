"""Every case once, in this process, in several, or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import AMTError, WorkFailedError
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_case
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair
from nnunet_amt.evaluation.settings import EvaluationSettings

_WHAT = "evaluating cases"
# A process takes about a second to start, in which this one evaluates as many cases.
_CASES_WORTH_A_PROCESS = 50


def evaluate_cases(
    pairs: Sequence[LabelMapPair], settings: EvaluationSettings, jobs: int, executor: str | None, progress: Progress
) -> tuple[CaseEvaluation, ...]:
    """Evaluate pairs of label maps whose geometry has been checked.

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
    work = partial(evaluate_case, settings=settings)
    jobs = min(jobs, len(pairs) // _CASES_WORTH_A_PROCESS)
    if executor is None and jobs < 2:
        cases = []
        for pair in pairs:
            cases.append(work(pair))
            progress(len(cases), len(pairs), _WHAT)
        return tuple(cases)
    from nnunet_amt.base.workers import open_workers  # not needed for most evaluations

    with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
        results = workers.each(work, [_absolute(pair) for pair in pairs], _WHAT)
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
