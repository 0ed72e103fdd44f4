"""How the section of each task of a study of risk is laid out: its words, what stands open and what is folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CTC = "CTC are tumour cells that circulate in the blood; the DMFN is given their level beside the CT."


@dataclass(frozen=True)
class RiskLayout:
    """How a section is laid out.

    Attributes
    ----------
    title, study
        The heading, and what the evaluation is of, in a sentence.
    truth
        Who tells what the scores only guess.
    roc, models
        Figure that stands open, and how the titles of the tables that do begin.
    help
        What the readers of the reader study are given.
    parts
        What is folded, in this order: its heading, how the titles of its tables begin, and its figure.
    """

    title: str
    study: str
    truth: str
    roc: str
    models: tuple[str, ...]
    help: str
    parts: tuple[tuple[str, tuple[str, ...], str], ...]


_LESION_PARTS = (
    ("Cases, and Tables 1 and 2", ("Flow of cases", "Table 1", "Table 2"), "lesion_flow.png"),
    ("DMFN against the others", ("DMFN against", "AUC of the DMFN", "Macro AUC of the DMFN"), ""),
    ("What CTC adds", ("What CTC adds", "The DMFN with and without"), "lesion_gains.png"),
    ("What each lesion was called", ("What the", "Each class"), "lesion_confusion.png"),
    ("Calibration and decision curve", (), "lesion_decision.png"),
    ("CTC levels of the sets", ("CTC levels",), "lesion_ctc_levels.png"),
    ("Each training", ("AUC of each", "Macro AUC of each"), ""),
)
LAYOUTS: Mapping[str, RiskLayout] = {
    "risk": RiskLayout(
        title="Low or high risk",
        study="the study of risk",
        truth="Whether a tumour is of low risk (LRT) or of high risk (HRT) is told by histology, not by these scores.",
        roc="risk_roc.png",
        models=("Table 2",),
        help="AI",
        parts=(
            ("Cases, and Table 1", ("Flow of cases", "Table 1"), ""),
            ("Models at a sensitivity of 0.90, and compared", ("Models, at", "AUC of each model"), ""),
            ("Calibration and decision curve", ("Calibration",), "risk_calibration.png"),
            ("Subgroups", ("Subgroups",), "risk_subgroups.png"),
            ("What the segmentation costs", ("What the segmentation costs",), ""),
            ("Loss curves", (), "risk_loss_curves.png"),
            ("Heat maps", ("Heat maps",), "risk_heat_maps.png"),
        ),
    ),
    "binary": RiskLayout(
        title="Benign or malignant, with CTC",
        study="the study of benign and malignant lesions (binary)",
        truth=f"Whether a lesion is benign or malignant is told by pathology, not by these scores. {_CTC}",
        roc="lesion_roc.png",
        models=("Table 3",),
        help="CTC",
        parts=_LESION_PARTS,
    ),
    "multiclass": RiskLayout(
        title="Class of the lesion, with CTC",
        study="the study of classes of lesions (multiclass)",
        truth=f"The class of a lesion is told by pathology, not by these scores. {_CTC}",
        roc="lesion_roc.png",
        models=("Table 3", "Classes of lesions, in the form of Table 3"),
        help="CTC",
        parts=_LESION_PARTS,
    ),
}
