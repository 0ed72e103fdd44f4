"""Find the parts of a study: by the run records first, else by names and contents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nnunet_amt.base.files import read_rows, require_folder
from nnunet_amt.errors import BadInputError, MissingEnvironmentError
from nnunet_amt.nnunet.environment import folder_from_environment
from nnunet_amt.study.folders import FoundFolders, case_ids_of, find_folders, is_dataset
from nnunet_amt.study.study import EvaluationFolder, Study, gather_runs, newest_run, read_from

_USUAL_NAME = "evaluation"
_NOT_PREDICTIONS = ("labels", "masks", "images", "imagesTr", "imagesTs", "labelsTr", "labelsTs", "gt_segmentations")


def find_study(folder: Path, *, evaluation: Path | None = None) -> Study:
    """Find what stands below a folder, and what its run records lead to.

    Without run records parts are found by their files, and belong together where their cases are the same; raw
    datasets are looked for in ``$nnUNet_raw`` too.

    Parameters
    ----------
    folder
        The study, as ``amt_demo``.
    evaluation
        The evaluation that is meant; by default the one named ``evaluation`` in `folder`, or the only one.

    Raises
    ------
    BadInputError
        If there is no such folder, no evaluation in it, or several of which none is the usual one.
    """
    require_folder(folder, "give the folder of the study, which holds the evaluation")
    found = find_folders(folder)
    chosen = _chosen(folder, found.evaluations, evaluation)
    paths = found.evaluations if chosen in found.evaluations else (chosen, *found.evaluations)
    datasets = (*found.datasets, *_datasets_of_nnunet())
    evaluations = tuple(_evaluation_folder(path, found, datasets) for path in paths)
    of_chosen = evaluations[paths.index(chosen)]
    dataset = _dataset_of(of_chosen, datasets)
    failures = _failures_of(of_chosen, found.failures)
    return Study(
        folder=folder,
        dataset=dataset,
        evaluation=of_chosen,
        evaluations=evaluations,
        images=_images_of(of_chosen, dataset, failures),
        failures=failures,
        comparison=_comparison_of(of_chosen, found.comparisons),
        records=gather_runs(folder, (*found.records, chosen)),
    )


def _chosen(study: Path, evaluations: Sequence[Path], asked: Path | None) -> Path:
    if asked is not None:
        for path in (asked, study / asked):
            if (path / "summary.json").is_file() and (path / "cases.csv").is_file():
                return next((known for known in evaluations if known.samefile(path)), path)
        raise BadInputError(f"{asked}: holds no evaluation (summary.json and cases.csv); give the folder of one")
    if not evaluations:
        raise BadInputError(
            f"{study}: no evaluation in it; make one: "
            f"nnunet_amt evaluate PREDICTIONS REFERENCES -o {study / _USUAL_NAME}"
        )
    usual = next((path for path in (study, study / _USUAL_NAME) if path in evaluations), None)
    if usual is None and len(evaluations) > 1:
        names = ", ".join(str(path.relative_to(study)) for path in evaluations)
        raise BadInputError(f"{study}: holds {len(evaluations)} evaluations ({names}); choose one with --evaluation")
    return usual or evaluations[0]


def _evaluation_folder(path: Path, found: FoundFolders, datasets: Sequence[Path]) -> EvaluationFolder:
    predictions, references, cohort = (
        read_from(path, "evaluate", name) for name in ("predictions", "references", "cohort")
    )
    cases = frozenset(row["case_id"] for row in read_rows(path / "cases.csv"))
    references = references or _references_of(cases, datasets)
    if cohort is None and references is not None and (references.parent / "cohort.csv").is_file():
        cohort = references.parent / "cohort.csv"
    return EvaluationFolder(path, predictions or _predictions_of(path, cases, found.label_maps), references, cohort)


def _references_of(cases: frozenset[str], datasets: Sequence[Path]) -> Path | None:
    folders = [dataset / name for name in ("labelsTs", "labelsTr") for dataset in datasets]
    return next((folder for folder in folders if cases <= case_ids_of(folder)), None)


def _predictions_of(evaluation: Path, cases: frozenset[str], label_maps: Sequence[Path]) -> Path | None:
    """Find label maps of the same cases; those beside the evaluation, or so named, come first."""
    able = [folder for folder in label_maps if folder.name not in _NOT_PREDICTIONS and cases <= case_ids_of(folder)]
    able.sort(key=lambda folder: (folder.parent != evaluation.parent, "predict" not in folder.name))
    return able[0] if able else None


def _datasets_of_nnunet() -> tuple[Path, ...]:
    try:
        raw = folder_from_environment("nnUNet_raw")
    except MissingEnvironmentError:  # a report needs none
        return ()
    return tuple(sorted(filter(is_dataset, raw.glob("Dataset*"))))


def _dataset_of(evaluation: EvaluationFolder, datasets: Sequence[Path]) -> Path | None:
    """Give the dataset that holds the references, or else the cohort file, or else is the only one."""
    for part in (evaluation.references, evaluation.cohort):
        if part is not None and is_dataset(part.parent):
            return part.parent
    return datasets[0] if len(datasets) == 1 and evaluation.references is None else None


def _images_of(evaluation: EvaluationFolder, dataset: Path | None, failures: Path | None) -> Path | None:
    """Give the CTs that stand beside the references, or that the failure analysis looked into."""
    beside = {"labelsTs": "imagesTs", "labelsTr": "imagesTr"}
    if dataset is not None and evaluation.references is not None and evaluation.references.name in beside:
        images = dataset / beside[evaluation.references.name]
        if images.is_dir():
            return images
    return None if failures is None else read_from(failures, "failures", "images")


def _failures_of(evaluation: EvaluationFolder, folders: Sequence[Path]) -> Path | None:
    """Find the failure analysis of the same predictions: the voxel counts of every case are the same."""
    counts = _voxel_counts(read_rows(evaluation.path / "cases.csv"))
    return next((path for path in folders if _voxel_counts(read_rows(path / "failure_cases.csv")) == counts), None)


def _voxel_counts(rows: Iterable[dict[str, str]]) -> dict[str, tuple[str | None, ...]]:
    return {row["case_id"]: tuple(row.get(name) for name in ("tp", "fp", "fn")) for row in rows}


def _comparison_of(evaluation: EvaluationFolder, folders: Sequence[Path]) -> Path | None:
    """Find the comparison that this evaluation is a part of; one that does not say is taken if it is the only one."""
    for folder in folders:
        run = newest_run(folder, "compare")
        parts = [read_from(folder, "compare", name) for name in run["inputs"]] if run else []
        if any(part is not None and part.samefile(evaluation.path) for part in parts):
            return folder
    silent = [folder for folder in folders if newest_run(folder, "compare") is None]
    return silent[0] if len(folders) == len(silent) == 1 else None
