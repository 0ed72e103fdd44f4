"""The models of the study with circulating tumour cells by name, and how they are trained.

The paper names network and modalities, three runs and the three first classes of a prediction; the rest is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nnunet_amt.risk.fusion.lesion_case import TASKS, Task
from nnunet_amt.risk.networks.settings import Rule, require_rules, schedule_rules

DMFN, REGNET, PLAIN_CNN = "dmfn", "regnet", "plain-cnn"
NETWORKS = (DMFN, REGNET, PLAIN_CNN)
SHUFFLED = "dmfn-shuffled-ctc"
CLINICAL_CTC, CTC_ALONE = "clinical+ctc", "ctc"
BASELINES = (CLINICAL_CTC, CTC_ALONE)
TITLES: Mapping[str, str] = {
    DMFN: "DMFN",
    REGNET: "Monomodal CNN (RegNet)",
    PLAIN_CNN: "Monomodal CNN (plain)",
    SHUFFLED: "DMFN, CTC shuffled between patients",
    CLINICAL_CTC: "Clinical data and CTC, no CT",
    CTC_ALONE: "CTC alone",
}
Depth = Literal[20, 32, 56, 50]
Cell = Literal["lstm", "gru", "rnn"]
DEPTHS, CELLS = (20, 32, 56, 50), ("lstm", "gru", "rnn")


@dataclass(frozen=True)
class FusionSettings:
    """How the models of a task are trained.

    Attributes
    ----------
    task
        ``binary`` (benign or malignant) or ``multiclass``.
    models
        Of `NETWORKS`, and `SHUFFLED`, the ablation; the baselines of `BASELINES` always stand beside them.
    seeds
        One training each.
    epochs
        Of the whole schedule.
    patience
        A training ends after so many epochs without a smaller loss of the tuning cases.
    batch_size, learning_rate, momentum, weight_decay, rotation, translation, scaling
        See `nnunet_amt.risk.networks.settings.TrainingSettings`.
    label_smoothing
        Share of a class that is spread over all classes, in the loss of training alone.
    depth, cell
        Of the RegNet, see `build_lesion_model`.
    pixels, denoise
        How the crops were cut: their side, and whether their third channel is denoised. A trained model says so, for
        whoever cuts those of new patients.
    ctc_unit
        Of the levels of circulating tumour cells, as the study states it; never converted.
    """

    task: Task = "binary"
    models: tuple[str, ...] = NETWORKS
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 100
    patience: int = 20
    batch_size: int = 16
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    rotation: float = 15.0
    translation: float = 0.1
    scaling: tuple[float, float] = (0.9, 1.1)
    depth: Depth = 20
    cell: Cell = "lstm"
    pixels: int = 128
    denoise: bool = True
    ctc_unit: str = "pg/ml"

    def __post_init__(self) -> None:
        known = (*NETWORKS, SHUFFLED)
        rules: tuple[Rule, ...] = (
            ("task", self.task, self.task in TASKS, " or ".join(TASKS)),
            ("models", _listed(self.models), {*self.models} <= {*known}, f"among {', '.join(known)}"),
            ("models", _listed(self.models), len({*self.models}) == len(self.models), "each named once"),
            ("seeds", _listed(self.seeds), len({*self.seeds}) == len(self.seeds) > 0, "one or more that differ"),
            ("seeds", _listed(self.seeds), all(seed >= 0 for seed in self.seeds), "0 or more"),
            *schedule_rules(self),
            ("patience", self.patience, self.patience >= 1, "1 epoch or more"),
            ("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "0 or more and below 1"),
            ("depth", self.depth, self.depth in DEPTHS, f"one of {_listed(DEPTHS)}"),
            ("cell", self.cell, self.cell in CELLS, f"one of {_listed(CELLS)}"),
            ("pixels", self.pixels, 32 <= self.pixels <= 4096, "32 to 4096 px"),
            ("ctc_unit", repr(self.ctc_unit), bool(self.ctc_unit.strip()), "the unit of the levels, such as pg/ml"),
        )
        require_rules(f"training of {self.task} models", rules)

    def of_training(self, model: str) -> dict[str, Any]:
        """Give what a single training of a model follows from, as JSON has it."""
        others = {"models", "seeds", "ctc_unit", *(("depth", "cell") if model == PLAIN_CNN else ())}
        content = {name: value for name, value in asdict(self).items() if name not in others}
        return {**content, "scaling": list(self.scaling)}


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "none"
