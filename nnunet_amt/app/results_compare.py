"""Models of a study against each other: which there are, the command that compares two, and what comparisons found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_amt.app.language import Texts
from nnunet_amt.base.files import read_record, read_rows
from nnunet_amt.evaluation.settings import PRIMARY_ENDPOINTS
from nnunet_amt.models.folder import trainer_of
from nnunet_amt.models.plans import BEST_CHECKPOINT, CONFIGURATION, FINAL_CHECKPOINT, RECIPES
from nnunet_amt.report.sections.results import Comparison, comparison_of
from nnunet_amt.report.study_content import TRIAGED, StudyContent
from nnunet_amt.study.settings import StudyFolders, StudySettings
from nnunet_amt.study.stages import OTHER_MODELS

JOB_KIND = "compare"
_FILE = "comparison.json"
FOLDER = "comparisons"  # of a study, with a folder for each two models
_ENDPOINT_AT = {"0.1": "IoU > 0.1", "0.5": "IoU > 0.5"}


@dataclass(frozen=True)
class Model:
    """A model that was evaluated on the same cases.

    Attributes
    ----------
    key
        Folder of its evaluation, relative to the study, POSIX.
    evaluation
        That folder.
    name
        In tables.
    words
        In the reader's language.
    """

    key: str
    evaluation: Path
    name: str
    words: str


@dataclass(frozen=True)
class Asked:
    """What the form of a comparison holds, and what is wrong with it: field to sentence."""

    first: str = ""
    other: str = ""
    primary: str = "dice"
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A comparison that was made: its folder relative to the study, its models, its primary endpoint, what it found."""

    key: str
    models: tuple[str, ...]
    primary: str
    found: Comparison


def comparable_models(content: StudyContent, t: Texts) -> tuple[Model, ...]:
    """List the models that were evaluated on the cases of the study's evaluation, the study's own first."""
    cases = {case.case_id for case in content.cases}
    folder = content.study.folder.resolve()
    models = []
    for evaluation in content.study.evaluations:
        path = evaluation.path.resolve()
        if path.name.endswith(TRIAGED) or read_record(path / "summary.json").get("triage"):
            continue
        if path.is_relative_to(folder) and {row.get("case_id") for row in read_rows(path / "cases.csv")} == cases:
            models.append(_model(path, folder, t))
    ours = content.study.evaluation.path.resolve()
    return tuple(sorted(models, key=lambda model: (model.evaluation != ours, model.key)))


def _model(path: Path, folder: Path, t: Texts) -> Model:
    key = path.relative_to(folder).as_posix()
    match key.split("/"):
        case ["baseline", name, "evaluation"]:
            return Model(key, path, f"nnU-Net {name}", t("results.model_stock", name=name))
        case [first, name, "evaluation"] if first == OTHER_MODELS:
            return Model(key, path, name, t("results.model_other", name=name))
        case ["evaluation"]:
            return Model(key, path, "this study", t("results.model_ours"))
    return Model(key, path, key, key)


def other_trainers(folder: Path, settings: StudySettings) -> tuple[str, ...]:
    """Name the trainers of models that were trained in a study and are neither its own nor evaluated."""
    at = StudyFolders.of(folder, settings)
    trained = sorted(
        trainer_of(model)
        for recipe in RECIPES.values()
        for model in at.fold_folder.parents[1].glob(f"*__{recipe.plans}__{CONFIGURATION}")
        if any((model / at.fold_folder.name / name).is_file() for name in (BEST_CHECKPOINT, FINAL_CHECKPOINT))
    )
    return tuple(
        name
        for name in trained
        if name != settings.train.trainer
        and not (folder / OTHER_MODELS / name / "evaluation" / "summary.json").is_file()
    )


def endpoint_words(endpoint: str, t: Texts) -> str:
    """Name a primary endpoint, such as ``sensitivity_0.5``, in the reader's language."""
    name, _, at = endpoint.rpartition("_") if endpoint.rpartition("_")[2] in _ENDPOINT_AT else (endpoint, "", "")
    words = t(f"results.name_{name}")
    return f"{words}, {_ENDPOINT_AT[at]}" if at else words


def problems_of(asked: Asked, models: Sequence[Model], folder: Path, t: Texts) -> dict[str, str]:
    """Tell what is wrong with a comparison that is asked for, by field."""
    known = {model.key for model in models}
    problems = {name: t("results.choose_model") for name in ("first", "other") if getattr(asked, name) not in known}
    if not problems and asked.first == asked.other:
        problems["other"] = t("results.same_model")
    if asked.primary not in PRIMARY_ENDPOINTS:
        problems["primary"] = t("results.choose_endpoint")
    if not problems:
        before = _primary(output_of(asked, folder))
        if before is not None and before != asked.primary:
            problems["primary"] = t("results.endpoint_fixed", endpoint=endpoint_words(before, t))
    return problems


def output_of(asked: Asked, folder: Path) -> Path:
    """Give the folder of the comparison of two models, the same whichever of them stands first."""
    names = sorted(key.removesuffix("/evaluation").replace("/", "_") for key in (asked.first, asked.other))
    return folder / FOLDER / "_vs_".join(names)


def compare_command(asked: Asked, models: Sequence[Model], content: StudyContent, folder: Path) -> tuple[str, ...]:
    """Write the command that compares two models; what is drawn is what was drawn in the study's evaluation."""
    by_key = {model.key: model for model in models}
    chosen = [by_key[asked.first], by_key[asked.other]]
    drawn = content.summary.settings.cluster
    return (
        *("nnunet_amt", "compare", *(str(model.evaluation) for model in chosen), "-o", str(output_of(asked, folder))),
        *(word for model in chosen for word in ("--names", model.name)),
        *("--primary", asked.primary),
        *(() if drawn == "case" else ("--cluster", drawn)),
    )


def comparisons_of(content: StudyContent, t: Texts) -> tuple[Shown, ...]:
    """Read the comparisons that stand in a study, those of the page first.

    Raises
    ------
    BadInputError
        If one is damaged.
    """
    folder = content.study.folder.resolve()
    places = [path for where in (f"{FOLDER}/*", "*/comparison") for path in sorted(folder.glob(f"{where}/{_FILE}"))]
    return tuple(_shown(path.parent, content, folder, t) for path in places if path.resolve().is_relative_to(folder))


def _shown(place: Path, content: StudyContent, folder: Path, t: Texts) -> Shown:
    found = comparison_of(content, place)
    models = read_record(place / _FILE).get("models", [])
    primary = _primary(place)
    return Shown(
        place.relative_to(folder).as_posix(),
        tuple(str(model["name"]) for model in models),
        "" if primary is None else endpoint_words(primary, t),
        found,
    )


def _primary(place: Path) -> str | None:
    """Give the endpoint that a comparison was made with; None where there is no comparison."""
    settings: Any = read_record(place / _FILE).get("settings")
    primary = settings.get("primary") if isinstance(settings, dict) else None
    return primary if primary in PRIMARY_ENDPOINTS else None
