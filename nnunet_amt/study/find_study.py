"""Find the parts of a study: by the run records first, else by names and contents."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import read_record, read_rows, require_folder
from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError, MissingEnvironmentError
from nnunet_amt.evaluation.measure.label_maps import LABEL_MAP_ENDINGS
from nnunet_amt.nnunet.environment import folder_from_environment
from nnunet_amt.study.study import EvaluationFolder, Study, gather_runs, read_from
from nnunet_amt.study.study_files import RISK_TASKS
from nnunet_amt.writing.numbers import joined

_USUAL_NAME = "evaluation"
_RUNS_FILE = "nnunet_amt_runs"  # and .json, or _part0of8.json
_DEEPEST = 6  # nnUNet_results/Dataset711_AMT/trainer/fold_0/validation is five folders down
_CHANNEL = "_0000"
_NOT_PREDICTIONS = (
    *("labels", "masks", "images", "imagesTr", "imagesTs", "labelsTr", "labelsTs", "labelsSecond"),
    "gt_segmentations",
)


@dataclass(frozen=True)
class _FoundFolders:
    """Folders below a study by what they hold, those nearest to its top first.

    Attributes
    ----------
    evaluations, failures, comparisons
        Results of the three commands.
    datasets
        Raw datasets.
    label_maps
        Folders with at least one file that may be a label map; folders of CTs are not among them.
    records
        Folders with run records.
    pages_of_risk
        What a study of risk wrote for itself.
    """

    evaluations: tuple[Path, ...]
    failures: tuple[Path, ...]
    comparisons: tuple[Path, ...]
    datasets: tuple[Path, ...]
    label_maps: tuple[Path, ...]
    records: tuple[Path, ...]
    pages_of_risk: tuple[Path, ...]


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
    found = _find_folders(folder)
    chosen = _chosen(folder, found, evaluation)
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


def _chosen(study: Path, found: _FoundFolders, asked: Path | None) -> Path:
    evaluations = found.evaluations
    if asked is not None:
        for path in (asked, study / asked):
            if (path / "summary.json").is_file() and (path / "cases.csv").is_file():
                return next((known for known in evaluations if known.samefile(path)), path)
        raise BadInputError(f"{asked}: holds no evaluation (summary.json and cases.csv); give the folder of one")
    if not evaluations:
        if pages := joined([str(page.relative_to(study)) for page in found.pages_of_risk]):
            raise BadInputError(
                f"{study}: no evaluation of a segmentation in it; its study of risk is shown by {pages}"
            )
        raise BadInputError(
            f"{study}: no evaluation in it; make one: "
            f"nnunet_amt evaluate PREDICTIONS REFERENCES -o {shlex.quote(str(study / _USUAL_NAME))}"
        )
    usual = next((path for path in (study, study / _USUAL_NAME) if path in evaluations), None)
    if usual is None and len(evaluations) > 1:
        names = ", ".join(str(path.relative_to(study)) for path in evaluations)
        raise BadInputError(f"{study}: holds {len(evaluations)} evaluations ({names}); choose one with --evaluation")
    return usual or evaluations[0]


def _evaluation_folder(path: Path, found: _FoundFolders, datasets: Sequence[Path]) -> EvaluationFolder:
    predictions, references, cohort = (
        read_from(path, "evaluate", name) for name in ("predictions", "references", "cohort")
    )
    cases = frozenset(row["case_id"] for row in read_rows(path / "cases.csv"))
    if references is None:
        folders = (dataset / name for dataset in datasets for name in ("labelsTs", "labelsTr"))
        of_these = {folder.resolve(): folder for folder in folders if cases <= _case_ids_of(folder)}
        # codes of cases are alike in every dataset: of two that have them neither is taken
        references = next(iter(of_these.values())) if len(of_these) == 1 else None
    if cohort is None and references is not None and (references.parent / "cohort.csv").is_file():
        cohort = references.parent / "cohort.csv"
    return EvaluationFolder(path, predictions or _predictions_of(path, cases, found.label_maps), references, cohort)


def _predictions_of(evaluation: Path, cases: frozenset[str], label_maps: Sequence[Path]) -> Path | None:
    """Find label maps of the same cases; those beside the evaluation, or so named, come first."""
    able = [folder for folder in label_maps if folder.name not in _NOT_PREDICTIONS and cases <= _case_ids_of(folder)]
    able.sort(key=lambda folder: (folder.parent != evaluation.parent, "predict" not in folder.name))
    return able[0] if able else None


def _datasets_of_nnunet() -> tuple[Path, ...]:
    try:
        raw = folder_from_environment("nnUNet_raw")
    except MissingEnvironmentError:  # a report needs none
        return ()
    return tuple(sorted(filter(_is_dataset, raw.glob("Dataset*"))))


def _dataset_of(evaluation: EvaluationFolder, datasets: Sequence[Path]) -> Path | None:
    """Give the dataset that holds the references, or else the cohort file, or else alone lists all of the cases."""
    for part in (evaluation.references, evaluation.cohort):
        if part is not None and _is_dataset(part.parent):
            return part.parent
    if evaluation.references is not None:
        return None
    cases = {row["case_id"] for row in read_rows(evaluation.path / "cases.csv")}
    of_these = {dataset.resolve(): dataset for dataset in datasets if cases <= _listed_in(dataset / "cohort.csv")}
    return next(iter(of_these.values())) if len(of_these) == 1 else None


def _listed_in(cohort: Path) -> set[str]:
    """Name the cases of a cohort file; none if it is not there."""
    return {row.get("case_id", "") for row in read_rows(cohort)} if cohort.is_file() else set()


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

    def voxel_counts(path: Path) -> dict[str, tuple[str | None, ...]]:
        return {row["case_id"]: tuple(row.get(name) for name in ("tp", "fp", "fn")) for row in read_rows(path)}

    counts = voxel_counts(evaluation.path / "cases.csv")
    return next((path for path in folders if voxel_counts(path / "failure_cases.csv") == counts), None)


def _comparison_of(evaluation: EvaluationFolder, folders: Sequence[Path]) -> Path | None:
    """Find the comparison that this evaluation is a part of; one that does not say is taken if it is the only one."""
    for folder in folders:
        run = newest_run(folder, "compare")
        parts = [read_from(folder, "compare", name) for name in run["inputs"]] if run else []
        if any(part is not None and part.samefile(evaluation.path) for part in parts):
            return folder
    silent = [folder for folder in folders if newest_run(folder, "compare") is None]
    return silent[0] if len(folders) == len(silent) == 1 else None


def _find_folders(study: Path) -> _FoundFolders:
    """Look through a study's folders, six deep; hidden ones, and so what killed runs left, are passed over."""
    held = list(_walk(study))
    return _FoundFolders(
        evaluations=tuple(folder for folder, names in held if _is_evaluation(folder, names)),
        failures=tuple(folder for folder, names in held if {"failures.json", "failure_cases.csv"} <= names),
        comparisons=tuple(folder for folder, names in held if "comparison.json" in names),
        datasets=tuple(folder for folder, names in held if "dataset.json" in names and _is_dataset(folder)),
        label_maps=tuple(folder for folder, names in held if any(map(_case_id, names))),
        records=tuple(folder for folder, names in held if any(name.startswith(_RUNS_FILE) for name in names)),
        pages_of_risk=tuple(
            folder / kind.page
            for folder, names in held
            for kind in dict.fromkeys(kind for task in RISK_TASKS.values() for kind in (task.summary, task.readers))
            if {kind.name, kind.page} <= names
        ),
    )


def _is_dataset(folder: Path) -> bool:
    """Whether a folder is a raw dataset of nnU-Net's."""
    return (folder / "dataset.json").is_file() and any((folder / name).is_dir() for name in ("labelsTs", "labelsTr"))


def _case_ids_of(folder: Path) -> frozenset[str]:
    """Name the cases of a folder of label maps; none if it cannot be read."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return frozenset()
    return frozenset(filter(None, map(_case_id, names)))


def _walk(study: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Give every folder and the names of its files, level by level; a folder that is linked to twice once."""
    level, seen = [study], set()
    for _ in range(_DEEPEST + 1):
        below = []
        for folder in level:
            place = os.path.realpath(folder)
            if place in seen:
                continue
            seen.add(place)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:  # not ours to read
                continue
            yield folder, frozenset(entry.name for entry in entries if entry.is_file())
            below += [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        level = below


def _is_evaluation(folder: Path, names: frozenset[str]) -> bool:
    """Tell our summary.json from nnU-Net's; a damaged one is ours, so that no other evaluation is taken for it."""
    if not names.issuperset({"summary.json", "cases.csv"}):
        return False
    content = read_record(folder / "summary.json")
    software = content.get("software")
    return not content or (isinstance(software, dict) and software.get("name") == "nnunet_amt")


def _case_id(name: str) -> str | None:
    ending = next((ending for ending in LABEL_MAP_ENDINGS if name.endswith(ending)), None)
    if ending is None or name.startswith("."):
        return None
    case_id = name[: -len(ending)]
    return None if case_id.endswith(_CHANNEL) else case_id
