"""The stage: predictions, their probabilities and references become a score FROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, checked_pairs, for_each_pair, pair_results
from nnunet_amt.evaluation.score_froc.candidates import (
    CONFIDENCES,
    CaseCandidates,
    case_candidates,
    find_probabilities,
)
from nnunet_amt.evaluation.score_froc.curve import (
    IouSweep,
    ScoreFroc,
    ScoreIntervals,
    iou_sweep,
    score_froc,
    score_intervals,
)
from nnunet_amt.evaluation.score_froc.result_files import (
    write_curves_csv,
    write_lesions_csv,
    write_score_froc_figures,
    write_score_froc_json,
    write_summary,
)
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.clusters import read_clusters

SCORE_FROC_FILES = (
    *("score_froc.md", "score_froc.json", "score_froc.csv", "score_froc_lesions.csv"),
    *("score_froc.png", "score_froc.svg"),
)


@dataclass(frozen=True, eq=False)
class ScoreFrocResult:
    """The score FROC of each confidence, the paper's IoU sweep of the same predictions, and the written files.

    There is one of `intervals` a curve.
    """

    files: tuple[Path, ...]
    curves: tuple[ScoreFroc, ...]
    intervals: tuple[ScoreIntervals, ...]
    sweep: IouSweep


def analyse_scores(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    probabilities: Path | None = None,
    cohort: Path | None = None,
    settings: EvaluationSettings | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> ScoreFrocResult:
    """Give each predicted lesion a confidence and sweep it.

    The results replace those of an earlier analysis in `output` all at once, or not at all.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder for `SCORE_FROC_FILES`.
    probabilities
        Folder of the probabilities, see `find_probabilities`; None for that of the predictions, where they are written.
    cohort
        ``cohort.csv`` of the conversion; needed where `settings` say that patients or institutions are drawn.
    settings
        Value of tumour, connectivity, smallest predicted lesion, the rule of false positives, and what is resampled.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    jobs
        Cases that are read at the same time; each holds the probabilities of a whole scan.

    Raises
    ------
    BadInputError
        If a folder is missing or the output cannot be written; its subclasses if cases do not pair up, geometries
        differ, a file is damaged, or probabilities are not of the prediction they stand beside.
    """
    settings = settings or EvaluationSettings()
    folder_of_probabilities = probabilities or predictions
    pairs = checked_pairs(
        predictions, references, output, apart={"the probabilities": folder_of_probabilities},
        missing_as_empty=missing_as_empty, jobs=jobs, progress=progress,
    )  # fmt: skip
    files = find_probabilities(folder_of_probabilities, pairs)
    clusters = read_clusters(cohort, case_ids=[pair.case_id for pair in pairs], cluster=settings.cluster)
    inputs: dict[str, Path | RunInput | None] = {
        "predictions": predictions,
        "references": references,
        "probabilities": RunInput(folder_of_probabilities, "names_and_sizes"),
        "cohort": None if clusters is None else cohort,
    }
    results = pair_results(
        output, pairs=pairs, stage="score-froc", file_names=SCORE_FROC_FILES, settings=settings, inputs=inputs,
        missing_as_empty=missing_as_empty,
    )  # fmt: skip
    with results as folder:
        found = write_scores(folder, pairs, files, settings=settings, clusters=clusters, jobs=jobs, progress=progress)
    return ScoreFrocResult(tuple(output / name for name in (*SCORE_FROC_FILES, RECORD_FILE)), *found)


def write_scores(
    folder: Path,
    pairs: Sequence[LabelMapPair],
    files: Mapping[str, Path],
    *,
    settings: EvaluationSettings,
    clusters: Mapping[str, str] | None = None,
    jobs: int,
    progress: Progress,
) -> tuple[tuple[ScoreFroc, ...], tuple[ScoreIntervals, ...], IouSweep]:
    """Read pairs whose geometry has been checked, and write `SCORE_FROC_FILES` to a folder; see `analyse_scores`."""

    def read(pair: LabelMapPair) -> CaseCandidates:
        return case_candidates(pair, files.get(pair.case_id), settings=settings)

    cases = for_each_pair(read, pairs, jobs=jobs, progress=progress, what="reading probabilities")
    curves = tuple(score_froc(cases, confidence, rule=settings.false_positive_rule) for confidence in CONFIDENCES)
    intervals = tuple(score_intervals(cases, curve, settings=settings, clusters=clusters) for curve in curves)
    sweep = iou_sweep(cases, rule=settings.false_positive_rule)
    write_summary(folder / "score_froc.md", curves, intervals, sweep, settings=settings)
    write_score_froc_json(folder / "score_froc.json", curves, intervals, sweep, settings=settings)
    write_curves_csv(folder / "score_froc.csv", curves)
    write_lesions_csv(folder / "score_froc_lesions.csv", cases)
    write_score_froc_figures(folder / "score_froc", curves, intervals, sweep)
    return curves, intervals, sweep
