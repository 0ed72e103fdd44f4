"""``study.toml``: every setting of a study, written at its first run with defaults and comments, read afterwards."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nnunet_amt import paper
from nnunet_amt.base.files import read_toml, write_text
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PAPER, recipe_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SETTINGS_FILE = "study.toml"
PAGE_NAME = "report.html"

_HEAD = """\
# The settings of a study: written at its first run, read at every further one. An option on the command line goes
# before this file, for that run. A stage whose settings here have changed runs again, and all that stand on it.
# A line that begins with # and a name is a setting that is not given; its comment says what holds then.
"""
_ADVICE = "mend the line"

# As `nnunet.planning` has them, which would import nnU-Net: better told now than after the conversion.
Millimetres = Annotated[float, Field(ge=0.1, le=20.0, allow_inf_nan=False)]
Hounsfield = Annotated[float, Field(allow_inf_nan=False)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Voxels = Annotated[int, Field(ge=8, multiple_of=8)]
Triple = tuple[Millimetres, Millimetres, Millimetres]
IntegerTriple = tuple[Voxels, Voxels, Voxels]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class CohortSection(_Section):
    """What is studied, and on what."""

    manifest: str = Field(default="", description="The cohort's table, relative to this file.")
    dataset: int = Field(default=711, ge=1, le=999, description="Number of the dataset in nnU-Net.")
    name: str = Field(default="AMT", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Its name after the number.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="auto takes cuda where there is one, else cpu."
    )
    jobs: int | None = Field(
        default=None, ge=1, description="Worker processes; as many as there are cores if not given."
    )


class ConvertSection(_Section):
    """From the manifest to nnU-Net's raw format."""

    seed: int = Field(default=711, description="Of the random tuning split and of the pseudonyms.")
    external_cases: int | None = Field(
        default=None,
        ge=1,
        description="Without a split column: cases to hold out; 23%, the paper's share, if not given.",
    )
    tuning_cases: int | None = Field(
        default=None, ge=1, description="Without a split column: cases for tuning; 11% of the others if not given."
    )
    external_institutions: str | None = Field(
        default=None, description="File with an institution a line, all held out; relative to this file."
    )
    resample_masks: bool = Field(
        default=False, description="Bring masks of another grid to the CT's, nearest neighbour."
    )
    resample_tilt: bool = Field(default=False, description="Straighten CTs that were scanned with a tilted gantry.")
    keep_intensities: bool = Field(default=False, description="Take CTs whose values do not look like HU.")
    interpolate_contours: bool = Field(
        default=False, description="Make up contours that are missing between others of an RTSTRUCT."
    )
    trust_geometry: bool = Field(
        default=False,
        description="Take RTSTRUCTs and SEGs that name other UIDs than the CT's, if patient and place fit.",
    )
    exclude_unreadable: bool = Field(default=False, description="Count cases that cannot be converted as excluded.")
    keep_case_ids: bool = Field(
        default=False, description="The manifest's case ids and institutions are pseudonyms already."
    )
    key_file: str | None = Field(
        default=None, description="Where the pseudonyms' key is kept; beside the manifest if not given."
    )
    table1_p_values: bool = Field(default=False, description="Put p-values between the splits into Table 1.")


class PlanSection(_Section):
    """The plans that nnU-Net trains and predicts by."""

    spacing: Triple | None = Field(
        default=None, description="(z, y, x) in mm to resample to; the median of the dataset if not given."
    )
    patch_size: IntegerTriple | None = Field(
        default=None,
        description="(z, y, x) in voxels, multiples of 8, y and x of 16 for the fast recipe; 32, 192, 192 or smaller "
        "if not given.",
    )
    window: tuple[Hounsfield, Hounsfield] | None = Field(
        default=None,
        description="HU that become 0 and 1; if not given the lowest and highest of the dataset, -160, 240 in the fast "
        "recipe.",
    )
    features: tuple[Channels, Channels, Channels, Channels] | None = Field(
        default=None,
        description="Channels of the levels of the paper's network, finest first; 32, 64, 128, 256 if not given.",
    )

    @field_validator("window")
    @classmethod
    def _lower_first(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and not window[0] < window[1]:
            raise ValueError("the lower number must be the first")
        return window


class TrainSection(_Section):
    """nnUNetv2_train with our trainer."""

    trainer: str = Field(
        default=DEFAULT_TRAINER,
        description="nnU-Net's 1000 epochs; nnUNetTrainerAMT_5epochs to try it out, nnUNetTrainerAMTFast for --recipe "
        "fast.",
    )
    fold: str = Field(
        default="0", pattern=r"^(0|all)$", description="0 is the split of the cohort; all trains on both."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        description="Of weights and batches, to repeat a training on one CPU; every one is another if not given.",
    )
    options: tuple[str, ...] = Field(
        default=(), description='Further words for nnUNetv2_train, such as "-num_gpus", "2".'
    )


class PredictSection(_Section):
    """nnUNetv2_predict on the external test set."""

    checkpoint: str = Field(default="checkpoint_best.pth", description="File name of the checkpoint.")
    options: tuple[str, ...] = Field(
        default=(), description='Further words for nnUNetv2_predict, such as "-step_size", "0.7".'
    )
    probabilities: bool = Field(
        default=False, description="Keep tumour probabilities too: what other thresholds would outline is seen by them."
    )


class EvaluateSection(_Section):
    """What a lesion is, and how intervals are drawn."""

    connectivity: Literal[6, 18, 26] = Field(default=26, description="Neighbours that join two voxels into one lesion.")
    minimum_predicted_voxels: int = Field(
        default=paper.MINIMUM_PREDICTED_VOXELS, ge=0, description="Smaller predicted lesions are dropped."
    )
    false_positive_rule: Literal["unmatched", "no_overlap"] = Field(
        default="unmatched",
        description="What counts as a false positive: every lesion without partner, or without overlap.",
    )
    surface_distances: bool = Field(
        default=False, description="Surface Dice, Hausdorff and average surface distances too; takes longer."
    )
    components: bool = Field(
        default=False, description="Write the sensitivity analysis of what is called a lesion too."
    )
    seed: int = Field(default=711, ge=0, description="Of the bootstrap.")
    cluster: Literal["case", "patient", "institution"] = Field(
        default="case", description="What a resample of the bootstrap draws, and tests take for independent."
    )
    ci_always: bool = Field(
        default=False, description="Give bootstrap intervals under 20 cases too, as the paper does."
    )
    subgroups: tuple[str, ...] = Field(default=(), description="Further columns of the cohort to make subgroups of.")


class BaselineSection(_Section):
    """Stock nnU-Net on the same split, compared with ours."""

    run: bool = Field(
        default=False, description="Train and compare nnU-Net's own models; takes as long as ours, or longer."
    )
    models: tuple[str, ...] = Field(default=("default", "resenc-m"), description="Which of them.")
    trainer: str = Field(default="nnUNetTrainer", description="One of nnU-Net's own, such as nnUNetTrainer_250epochs.")


class ReportSection(_Section):
    """The page."""

    title: str | None = Field(default=None, description="Title of the page; the dataset's if not given.")
    viewer: bool = Field(default=True, description="Put the cases in, to look at slice by slice.")


class StudySettings(_Section):
    """All of them, a section a stage; the defaults are those of the single commands."""

    study: CohortSection = CohortSection()
    convert: ConvertSection = ConvertSection()
    plan: PlanSection = PlanSection()
    train: TrainSection = TrainSection()
    predict: PredictSection = PredictSection()
    evaluate: EvaluateSection = EvaluateSection()
    baseline: BaselineSection = BaselineSection()
    report: ReportSection = ReportSection()

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> StudySettings:
        """Give settings in which those of `changes`, section to name to value, stand in place of these.

        Raises
        ------
        BadInputError
            If there is no such setting, or it does not take the value.
        """
        return _validated(self._content(changes))

    def refused(self, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Tell which of `changes` a study cannot have: ``"plan.spacing"`` to the rule that the value breaks.

        Texts stand for the numbers that they are; empty if all of them can be.
        """
        try:
            misfit = StudySettings.model_validate(self._content(changes)).misfit
        except ValidationError as error:
            return {".".join(map(str, found["loc"][:2])): _rule(found) for found in error.errors()}
        return {} if misfit is None else {".".join(misfit[:2]): misfit[2]}

    @property
    def misfit(self) -> tuple[str, str, str] | None:
        """Section and name of a setting that the recipe of the trainer does not take, and the rule; else None."""
        recipe, plan = recipe_of(self.train.trainer), self.plan
        if plan.features is not None and recipe != PAPER:
            return (
                "plan",
                "features",
                f"are of the paper's network, and {self.train.trainer} trains the {recipe.key} recipe",
            )
        if plan.patch_size is not None and not recipe.takes_patch(plan.patch_size):
            rule = "z, y and x must be multiples of {}, {} and {}".format(*recipe.patch_multiples)
            return "plan", "patch_size", f"{rule} in the {recipe.key} recipe"
        return None

    def _content(self, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        content = self.model_dump()
        for section, values in changes.items():
            content[section] |= values
        return content


@dataclass(frozen=True)
class StudyFolders:
    """Where the parts of a study stand in its folder.

    Attributes
    ----------
    folder
        The study: ``nnUNet_raw``, ``nnUNet_preprocessed`` and ``nnUNet_results`` are in it, and all that is below.
    raw, preprocessed
        The dataset, before and after nnU-Net's preprocessing.
    fold_folder
        The trained fold: checkpoints and nnU-Net's log.
    predictions
        Label maps of the external test set.
    evaluation, failures
        Tables, figures and CSV files.
    baseline
        Stock nnU-Net's predictions and evaluations, and the comparison.
    page
        The report.
    """

    folder: Path
    raw: Path
    preprocessed: Path
    fold_folder: Path
    predictions: Path
    evaluation: Path
    failures: Path
    baseline: Path
    page: Path

    @classmethod
    def of(cls, folder: Path, settings: StudySettings) -> StudyFolders:
        """Name the folders that a study with these settings has."""
        dataset = f"Dataset{settings.study.dataset:03d}_{settings.study.name}"
        model = f"{settings.train.trainer}__{recipe_of(settings.train.trainer).plans}__{CONFIGURATION}"
        return cls(
            folder=folder,
            raw=folder / "nnUNet_raw" / dataset,
            preprocessed=folder / "nnUNet_preprocessed" / dataset,
            fold_folder=folder / "nnUNet_results" / dataset / model / f"fold_{settings.train.fold}",
            predictions=folder / "predictions",
            evaluation=folder / "evaluation",
            failures=folder / "evaluation_failures",
            baseline=folder / "baseline",
            page=folder / PAGE_NAME,
        )


def manifest_path(folder: Path, settings: StudySettings) -> Path:
    """Find the cohort's table, which ``study.toml`` names relative to itself."""
    return Path(os.path.normpath(folder / settings.study.manifest))


def read_settings(folder: Path) -> StudySettings:
    """Read ``study.toml`` of a study.

    Raises
    ------
    BadInputError
        If it is missing, is no TOML, or holds a setting or a value that there is not: which, and what to do.
    """
    path = folder / SETTINGS_FILE
    try:
        content = read_toml(path)
    except FileNotFoundError:
        raise BadInputError(
            f"{folder}: holds no {SETTINGS_FILE}, so it is no study yet; begin one with: "
            f"nnunet_amt study MANIFEST.csv -o {shlex.quote(str(folder))}"
        ) from None
    except ValueError as error:
        raise BadInputError(f"{path}: is not TOML ({error}); {_ADVICE}") from error
    return _validated(content, path)


def write_settings(folder: Path, settings: StudySettings) -> Path:
    """Write ``study.toml``, with a comment for every setting."""
    path = folder / SETTINGS_FILE
    write_text(path, settings_text(settings))
    return path


def settings_text(settings: StudySettings) -> str:
    """Lay out settings as TOML that `read_settings` reads back as they are."""
    return "\n".join([_HEAD, *_lines(settings)])


def _lines(settings: StudySettings) -> Iterator[str]:
    for section, field in type(settings).model_fields.items():
        model: _Section = getattr(settings, section)
        yield f"[{section}]  # {(type(model).__doc__ or field.description or '').rstrip('.')}"
        for name, described in type(model).model_fields.items():
            value = getattr(model, name)
            # JSON's strings, numbers, truth values and lists are a part of TOML
            given = f"# {name} =" if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}"
            yield f"{given}  # {described.description}"
        yield ""


def option_of(section: str, name: str) -> str:
    """Name the option of ``nnunet_amt study`` that stands for a setting."""
    return f"--{section if name == 'run' else name.replace('_', '-')}"


def _validated(content: Mapping[str, Any], path: Path | None = None) -> StudySettings:
    """Check settings of a file; without one they are those of the command line."""
    try:
        settings = StudySettings.model_validate(content)
    except ValidationError as error:
        found = error.errors()[0]
        if path is None:
            section, name = (str(part) for part in found["loc"][:2])
            message = f"{option_of(section, name)} {content[section][name]!r}: {_rule(found)}; give another value"
            raise BadInputError(message) from None
        raise BadInputError(f"{path}: {_what_is_wrong(found)}; {_ADVICE}") from None
    if (misfit := settings.misfit) is not None:
        section, name, rule = misfit
        where, advice = (f"{path}: ", _ADVICE) if path is not None else ("", f"change it in {SETTINGS_FILE}")
        raise BadInputError(
            f"{where}[{section}] {name} = {list(content[section][name])}: {rule}; {advice}, or take another --trainer"
        )
    return settings


def _rule(error: ErrorDetails) -> str:
    if error["type"] == "string_pattern_mismatch":
        return f"must be of the form {error['ctx']['pattern']}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "too_long":
        return f"must be {error['ctx']['max_length']} values, not {error['ctx']['actual_length']}"
    if error["type"] == "missing":
        return f"has too few values: number {int(error['loc'][-1]) + 1} is missing"
    return f"{error['msg'][0].lower()}{error['msg'][1:]}"


def _what_is_wrong(error: ErrorDetails) -> str:
    section, *names = (str(part) for part in error["loc"])
    place = f"[{section}]" + (f" {names[0]}" if names else "")
    if error["type"] == "extra_forbidden":
        models = {name: field.annotation for name, field in StudySettings.model_fields.items()}
        known = models[section].model_fields if names else models  # type: ignore[union-attr]
        return f"{place}: there is no such {'setting' if names else 'section'}; there are {', '.join(known)}"
    return f"{place} = {error['input']!r}: {_rule(error)}"
