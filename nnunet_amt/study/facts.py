"""What a study's files say, as far as a checklist asks for it; None and empty where they say nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nnunet_amt.evaluation.results.summary_json import EvaluationSummary
from nnunet_amt.evaluation.subjects import PATIENTS, PHANTOMS
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.models.plans import FAST, PAPER

# The trainer that pins the paper's recipe and its shorter forms, by name; a class that somebody made of it may do else.
_RECIPE = re.compile(r"nnUNetTrainerAMT(_demo|_1epoch|_(5|20|100|250|500)epochs)?")
_FAST_RECIPE = re.compile(r"nnUNetTrainerAMTFast(_1epoch|_(5|100|250)epochs)?")
_FALLING_RATE = "nnUNetTrainerAMT_demo"  # the one of them that does not keep the learning rate


@dataclass(frozen=True)
class SetFacts:
    """How much is in one set."""

    cases: int
    patients: int
    institutions: int


@dataclass(frozen=True)
class DatasetFacts:
    """The raw dataset: dataset.json, audit.json and cohort.csv.

    Attributes
    ----------
    converted_by
        Program and version that wrote it; None if it was not `nnunet_amt convert`.
    label_origin, reference
        How the labels were made and whom to cite, from the notes beside the manifest.
    intensity_floor_hu
        Lower values were raised to it.
    identified, excluded, excluded_by_reason
        Cases of the manifest, those left out, and why; None and empty without audit.json.
    sets
        ``training``, ``tuning``, ``external``; empty without audit.json.
    total
        All sets together; an institution of two counts once.
    without_tumour
        Cases of all sets without one, by audit.json.
    audited
        Whether audit.json lists the checks for leakage, and all of them passed.
    shared_institutions
        That gave cases to both training and tuning.
    compared_voxels
        CTs that were compared voxel for voxel and found to differ; 0 if the audit does not say.
    cases, known
        Lines of cohort.csv, and of each of its columns in how many it says something.
    manufacturers
        Cases by scanner manufacturer.
    slice_thickness_mm
        Lowest and highest.
    coded
        Whether the record of the conversion says that cases and institutions were given codes, and cohort.csv holds
        such; None without a record, or where it holds other names.
    seed
        Of the conversion, by its record: it decides the split where that was drawn.
    options_recorded
        Whether the record of the conversion says how files were read.
    options
        Of that, what was asked for beyond the usual, see `nnunet_amt.images.image_file.ReadingOptions`:
        ``resample_masks``, ``resample_tilt``, ``interpolate_contours``, ``keep_intensities``, ``trust_geometry``.
    table_1, flow_figure
        Whether they stand in the dataset.
    """

    name: str
    converted_by: str | None = None
    label_origin: str | None = None
    reference: str | None = None
    intensity_floor_hu: float | None = None
    identified: int | None = None
    excluded: int | None = None
    excluded_by_reason: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, SetFacts] = field(default_factory=dict)
    total: SetFacts | None = None
    without_tumour: int = 0
    audited: bool = False
    shared_institutions: int = 0
    compared_voxels: int = 0
    cases: int = 0
    known: Mapping[str, int] = field(default_factory=dict)
    manufacturers: Mapping[str, int] = field(default_factory=dict)
    slice_thickness_mm: tuple[float, float] | None = None
    coded: bool | None = None
    seed: int | None = None
    options_recorded: bool = False
    options: tuple[str, ...] = ()
    table_1: bool = False
    flow_figure: bool = False

    @property
    def in_hounsfield(self) -> bool:
        """Whether the record of the conversion says that values which do not look like HU were refused."""
        return self.options_recorded and "keep_intensities" not in self.options


@dataclass(frozen=True)
class ModelFacts:
    """The model that made the predictions: its folder, plans and run records.

    Attributes
    ----------
    folds
        Trained networks whose predictions were averaged; one for a single model; empty if not known.
    network_class, features
        From the plans: its name, and its channels from the finest level to the coarsest.
    spacing, patch_size
        (z, y, x) in mm and in voxels.
    intensities
        HU that are rescaled to 0 and 1; None if the plans normalise otherwise.
    window_chosen
        Whether those are a window that was asked for, and not the lowest and highest value of the dataset.
    epochs, steps_per_epoch
        Finished, by the training log; and optimiser steps in each, by nnU-Net's debug.json.
    checkpoint, checkpoint_sha256
        The file that predicted.
    trained
        Whether its training is recorded.
    same_split
        Whether it was trained on the dataset of the evaluated cases by the very split that stands there now: the
        recorded hash of splits_final.json; None if nothing says.
    seed
        Of the training, by its record.
    pretrained
        Whether the training began from given weights; None if no record of it exists.
    training_seconds
        Of all epochs, by the training logs.
    region
        Whether the plans say in which part of a chest the network is asked.
    asked_in_part
        CTs that the last prediction asked in that part alone; None where its record does not say, as that of nnU-Net's
        own command, which asks everywhere.
    usual_window
        Whether the record shows that nnU-Net's own overlap of the sliding window was kept.
    """

    trainer: str | None = None
    plans: str | None = None
    configuration: str | None = None
    folds: tuple[str, ...] = ()
    network_class: str | None = None
    features: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    patch_size: tuple[int, ...] = ()
    batch_size: int | None = None
    intensities: tuple[float, float] | None = None
    window_chosen: bool = False
    normalisation: str | None = None
    parameters: int | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    trained: bool = False
    same_split: bool | None = None
    seed: int | None = None
    pretrained: bool | None = None
    training_seconds: float | None = None
    training_device: str | None = None
    region: bool = False
    asked_in_part: int | None = None
    usual_window: bool = False

    @property
    def is_amt_recipe(self) -> bool:
        """Whether the trainer pins the paper's recipe; of other trainers only what the plans say is known."""
        return bool(self.trainer and _RECIPE.fullmatch(self.trainer))

    @property
    def is_ours(self) -> bool:
        """Whether the trainer pins one of our recipes."""
        return self.is_amt_recipe or self.is_fast_recipe

    @property
    def rate_falls(self) -> bool:
        """Whether the learning rate falls to nothing over the training, where the paper's is constant."""
        return self.trainer == _FALLING_RATE or self.is_fast_recipe

    @property
    def asks_part(self) -> bool:
        """Whether the prediction asked the network in a part of the chest, where it saw one."""
        return self.region and self.asked_in_part is not None

    @property
    def first_rate(self) -> float:
        """Learning rate at the beginning of a training by one of our recipes; the fast one's shortest form has less."""
        full = self.is_fast_recipe and not str(self.trainer).endswith("_1epoch")
        return (FAST if full else PAPER).learning_rate

    @property
    def is_fast_recipe(self) -> bool:
        """Whether the trainer pins the fast recipe."""
        return bool(self.trainer and _FAST_RECIPE.fullmatch(self.trainer))


@dataclass(frozen=True)
class EvaluationFacts:
    """The evaluation: summary.json and cases.csv.

    Attributes
    ----------
    cases_by_set
        Evaluated cases by their set in cohort.csv; ``""`` for those that it does not list.
    institutions
        Of the evaluated cases; None without a cohort file.
    without_tumour
        Evaluated cases whose reference is empty.
    missing_as_empty
        Whether cases without a prediction would have counted as empty ones; None if not recorded.
    component_analysis
        Whether the lesion metrics stand there by connectivity and smallest size too.
    plots
        What its figures show, by the files that are there.
    accepted, candidates
        False positives that a reader took for lesions, and those shown; None without triage.
    """

    summary: EvaluationSummary
    cases_by_set: Mapping[str, int] = field(default_factory=dict)
    institutions: int | None = None
    without_tumour: int | None = None
    version: str = "not recorded"
    missing_as_empty: bool | None = None
    component_analysis: bool = False
    institution_figure: bool = False
    plots: tuple[str, ...] = ()
    accepted: int | None = None
    candidates: int | None = None

    @property
    def development_cases(self) -> int:
        """Evaluated cases of the sets that the model was made with."""
        return self.cases_by_set.get("training", 0) + self.cases_by_set.get("tuning", 0)

    @property
    def small_subgroups(self) -> int:
        """Subgroups of too few cases for an interval, institutions not counted."""
        subgroups = self.summary.subgroups
        return sum(summary.cases < FEWEST_CASES for group, _, summary in subgroups if group != "institution")


@dataclass(frozen=True)
class FailureFacts:
    """The failure analysis.

    Attributes
    ----------
    group_size
        Cases in the group of the lowest Dice, and in that of the highest.
    over, under, balanced
        Of all cases: more, fewer or as many voxels falsely positive as falsely negative.
    missed
        Cases of whose tumour no voxel is predicted.
    differing_features
        Features that differ between the groups with p < 0.05 after Holm's correction.
    can_differ
        Whether groups of this size could show that at all.
    """

    group_size: int
    over: int
    under: int
    balanced: int
    missed: int
    differing_features: tuple[str, ...] = ()
    can_differ: bool = True


@dataclass(frozen=True)
class RunFacts:
    """All run records together.

    Attributes
    ----------
    stages
        Recorded stages, each once, in order of time.
    software
        Versions by package; several where stages ran with different ones.
    devices
        Systems and devices that stages ran on.
    """

    stages: tuple[str, ...] = ()
    software: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def differing_software(self) -> tuple[str, ...]:
        """Packages of which stages ran with different versions."""
        return tuple(name for name, versions in self.software.items() if len(versions) > 1)


@dataclass(frozen=True)
class StudyFacts:
    """All that the answers are made of.

    Attributes
    ----------
    subjects
        Of what the CTs are, as the conversion wrote it into dataset.json (``patients``, ``phantoms``, ``patients and
        phantoms``), or the evaluation into summary.json; None if neither says.
    comparison
        The models that are compared on the same cases; None without a comparison.
    """

    dataset: DatasetFacts | None = None
    model: ModelFacts | None = None
    evaluation: EvaluationFacts | None = None
    failures: FailureFacts | None = None
    comparison: tuple[str, ...] | None = None
    runs: RunFacts = field(default_factory=RunFacts)
    subjects: str | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the cases are drawn phantoms, and no patient is among them."""
        return self.subjects == PHANTOMS

    @property
    def of_patients(self) -> bool:
        """Whether the cases are patients, so that the paper's results may stand beside theirs."""
        return self.subjects == PATIENTS

    @property
    def all_external(self) -> bool:
        """Whether every evaluated case is of the external test set of a split without a leak."""
        if self.evaluation is None or self.dataset is None or not self.dataset.audited:
            return False
        return set(self.evaluation.cases_by_set) == {"external"}

    @property
    def unseen(self) -> bool:
        """Whether it is on record that no institution of the evaluated cases gave a case to training or tuning."""
        return self.all_external and self.model is not None and self.model.same_split is True
