"""What is compared, and how: the arms, the budgets, the seeds, and where their files lie."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.phantoms import HARDER_DESIGN
from nnunet_amt.base.files import write_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import FAST, PAPER
from nnunet_amt.nnunet.environment import folders_below
from nnunet_amt.phantom import CohortDesign

__all__ = ["ARMS", "EVERY_ARM", "LEFT_OUT", "Arm", "Run", "Study", "arm_of", "read_study", "write_study"]

_STUDY_FILE = "study.json"


@dataclass(frozen=True)
class Arm:
    """One way to train that is compared.

    Attributes
    ----------
    key, title
        Name of files, and in tables.
    trainer, plans
        nnU-Net's names, or a class of `benchmarks.learning.left_out`.
    window
        HU that become 0 and 1, where a recipe of ours is given another range than its own.
    mirroring
        Whether its prediction is the mean over mirrored images, as nnU-Net's default is.
    planned_by
        Key of another arm whose plans and arrays it takes; empty for its own.
    region
        Whether the fast recipe asks in a part of the chest.
    """

    key: str
    title: str
    trainer: str
    plans: str
    window: tuple[float, float] | None = None
    mirroring: bool = False
    planned_by: str = ""
    region: bool = True


# In the order in which they run: what the first question needs comes first.
ARMS = (
    Arm("fast", "fast", FAST.trainer, FAST.plans),
    Arm("paper", "paper", PAPER.trainer, PAPER.plans),
    Arm("window", "paper + window", PAPER.trainer, PAPER.plans, window=(-160.0, 240.0)),
    Arm("default", "default nnU-Net", "nnUNetTrainer", "nnUNetPlans", mirroring=True),
    Arm("adam", "nnUNetTrainerAdam", "nnUNetTrainerAdam", "nnUNetPlans", mirroring=True),
    Arm("resenc-m", "ResEnc-M", "nnUNetTrainer", "nnUNetResEncUNetMPlans", mirroring=True),
)
# The fast recipe with one ingredient less, run where asked for.
LEFT_OUT = (
    Arm("without-window", "fast without its window", FAST.trainer, FAST.plans, window=(-1024.0, 3071.0)),
    Arm("without-entropy", "fast without cross-entropy", "FastWithoutCrossEntropy", FAST.plans, planned_by="fast"),
    Arm("without-rate", "fast at the paper's rate", "FastAtThePapersRate", FAST.plans, planned_by="fast"),
    Arm("without-intensities", "fast without intensities", "FastWithoutIntensities", FAST.plans, planned_by="fast"),
    Arm("without-network", "fast, the paper's network", "FastWithThePapersNetwork", PAPER.plans, planned_by="window"),
    Arm("without-region", "fast asked everywhere", FAST.trainer, FAST.plans, planned_by="fast", region=False),
)
EVERY_ARM = (*ARMS, *LEFT_OUT)


def arm_of(key: str) -> Arm:
    """Give the arm of a key."""
    return next(arm for arm in EVERY_ARM if arm.key == key)


@dataclass(frozen=True)
class Run:
    """One training, with its prediction of the external cases."""

    arm: str
    seed: int
    budget: int  # times the smallest

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.arm}_{self.budget}x_seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """How the study is run.

    Attributes
    ----------
    output
        Folder of everything.
    seconds
        Compute time of the smallest budget: of the process on a CPU, of the clock on a GPU.
    budgets, seeds, arms
        What is run: budgets are times the smallest; the same seeds in every arm.
    device
        ``cpu`` or ``cuda``.
    spacing
        (z, y, x) in mm that all arms see the images at.
    patch_size
        (z, y, x) in voxels of our recipes; None for their own choice.
    nnunets_step
        Batch size and patch size of nnU-Net's arms; None for their own choice. The defaults are what it plans for CTs
        of full size, 2 of 28 x 256 x 256, scaled down as ours, 3 of 32 x 192 x 192, are.
    narrower
        By what the channels of every network are divided, so that something is learnt in minutes.
    design
        The cohort.
    """

    output: Path
    seconds: float = 30.0
    budgets: tuple[int, ...] = (1, 3, 9)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    arms: tuple[str, ...] = tuple(arm.key for arm in ARMS)
    device: str = "cpu"
    spacing: tuple[float, float, float] = (8.0, 4.0, 4.0)
    patch_size: tuple[int, int, int] | None = (24, 48, 48)
    nnunets_step: tuple[int, tuple[int, int, int]] | None = (2, (24, 64, 64))
    narrower: int = 2
    design: CohortDesign = field(default=HARDER_DESIGN)
    dataset_id: int = 712
    dataset_name: str = "AMTHarderPhantom"

    @property
    def dataset(self) -> str:
        """nnU-Net's name of the dataset."""
        return f"Dataset{self.dataset_id}_{self.dataset_name}"

    @property
    def raw(self) -> Path:
        """The raw dataset, of all arms."""
        return self.output / "nnUNet_raw" / self.dataset

    @property
    def without_tumours(self) -> Path:
        """Folder of the scans of `write_without_tumours`."""
        return self.output / "without_tumours"

    def preprocessed(self, arm: Arm) -> Path:
        """Give the preprocessed dataset of an arm; the paper's plans have one name with and without a window."""
        return self._planned(arm) / "nnUNet_preprocessed" / self.dataset

    def set_environment(self, arm: Arm) -> None:
        """Set nnU-Net's folders for an arm, in this process."""
        os.environ.update(folders_below(self._planned(arm)), nnUNet_raw=str(self.raw.parent))

    def _planned(self, arm: Arm) -> Path:
        return self.output / "planned" / (arm.planned_by or arm.key)

    def chosen_arms(self) -> tuple[Arm, ...]:
        """Give the arms that take part."""
        return tuple(arm for arm in EVERY_ARM if arm.key in self.arms)

    def arms_to_plan(self) -> tuple[Arm, ...]:
        """Give the arms whose plans and arrays are needed; of those with less than the fast recipe its own too."""
        chosen = self.chosen_arms()
        keys = {arm.planned_by or arm.key for arm in chosen} | ({"fast"} if set(chosen) & set(LEFT_OUT) else set())
        return tuple(arm for arm in EVERY_ARM if arm.key in keys)

    def runs(self) -> Iterator[Run]:
        """Give all runs: seed by seed, so that wherever it ends every arm has as many."""
        for seed in self.seeds:
            for budget in self.budgets:
                for arm in self.chosen_arms():
                    yield Run(arm.key, seed, budget)

    def folder(self, run: Run) -> Path:
        """Folder of a run."""
        return self.output / "runs" / run.name


def write_study(study: Study) -> Path:
    """Write how the study is run, for its processes and for the next time.

    Raises
    ------
    BadInputError
        If the folder holds runs on another cohort, of another smallest budget or at another spacing.
    """
    file = study.output / _STUDY_FILE
    fixed = ("seconds", "device", "spacing", "patch_size", "nnunets_step", "narrower", "design")
    if file.is_file():
        kept = read_study(file)
        for name in fixed:
            if getattr(kept, name) != getattr(study, name):
                raise BadInputError(
                    f"{file}: {name} is {getattr(kept, name)}, not {getattr(study, name)}; choose another folder"
                )
    write_json(file, {**asdict(study), "output": str(study.output)})
    return file


def read_study(file: Path) -> Study:
    """Read what `write_study` has written."""
    content = json.loads(file.read_text(encoding="utf-8"))
    tuples = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    if content["nnunets_step"] is not None:
        batch_size, patch_size = content["nnunets_step"]
        tuples["nnunets_step"] = (batch_size, tuple(patch_size))
    return Study(
        **{**content, **tuples, "output": Path(content["output"]), "design": CohortDesign(**content["design"])}
    )
