"""What the result must be seen beside: how long the model was trained, and which tumours it fails on as a rule."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_amt.evaluation.results.tables import subgroup_title
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.study.facts.facts import ModelFacts
from nnunet_amt.writing.words import counted

STANDARD_EPOCHS = 1000  # of nnU-Net, and of our trainer
NamedGroup = tuple[str, str, GroupSummary]


def short_training(model: ModelFacts | None) -> str:
    """Say that a model was trained for fewer epochs than nnU-Net's standard; else nothing.

    Parameters
    ----------
    model
        As far as the study shows it.
    """
    if model is None or not model.epochs or model.epochs >= STANDARD_EPOCHS:
        return ""
    return (
        f"The network was trained for {counted(model.epochs, 'epoch')}, where nnU-Net's standard is "
        f"{STANDARD_EPOCHS}: these figures show what it had learned by then, not what the method can do."
    )


def dice_by_size(subgroups: Sequence[NamedGroup]) -> str:
    """Give the mean Dice of each class of tumour size in a sentence; nothing for fewer than two classes."""
    parts = [
        f"{summary.voxel['dice'].mean:.2f} in {subgroup_title(group, name)}, {counted(summary.cases, 'case')}"
        for group, name, summary in subgroups
        if group == "tumour_size" and summary.voxel["dice"].mean is not None
    ]
    return f"By tumour size the mean Dice score is {'; '.join(parts)}." if len(parts) > 1 else ""


def peers_of(tumour_size: str, subgroups: Sequence[NamedGroup]) -> str:
    """Set a case beside all tumours of its size class; nothing where it is the only one.

    Parameters
    ----------
    tumour_size
        Class of the case.
    subgroups
        Of the evaluation.
    """
    for group, name, summary in subgroups:
        dice = summary.voxel["dice"].mean
        if (group, name) == ("tumour_size", tumour_size) and dice is not None and summary.cases > 1:
            return (
                f"All {summary.cases} tumours of its size, {subgroup_title(group, name)}: mean Dice score {dice:.2f}."
            )
    return ""
