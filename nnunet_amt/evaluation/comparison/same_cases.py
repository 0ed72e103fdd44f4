"""Whether evaluations can be compared at all: same cases, same references, same definitions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import named_cases
from nnunet_amt.evaluation.results.evaluated_model import DEFINING_SETTINGS, EvaluatedModel

_FEWEST = 2


def model_names(folders: Sequence[Path], names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Give each model a name of its own, and refuse folders that cannot be compared.

    Without `names` a model is called as its folder; where two folders are called the same
    (``baseline/default/evaluation`` and ``baseline/resenc_m/evaluation``), as the nearest folders above that
    differ.

    Raises
    ------
    BadInputError
        If there are fewer than two folders, one stands there twice, or the names are not as many and all different.
    """
    if len(folders) < _FEWEST:
        raise BadInputError(f"{len(folders)} evaluation given; give two or more, the one to compare with first")
    resolved = [folder.resolve() for folder in folders]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise BadInputError(f"{folders[i]}: stands there twice; give each evaluation once")
    if not names:
        return _names_of(resolved)
    if len(names) != len(folders):
        raise BadInputError(f"{len(names)} names for {len(folders)} evaluations; give one for each, or none")
    for name in names:
        if not name.strip() or list(names).count(name) > 1:
            raise BadInputError(f"the name {name!r} is empty or stands there twice; give each model its own")
    return tuple(name.strip() for name in names)


def _names_of(resolved: Sequence[Path]) -> tuple[str, ...]:
    """Look no higher than the folder that all have in common: the home folder above it may be called as a person."""
    common = Path(os.path.commonpath(resolved))
    parts = [folder.relative_to(common).parts or (folder.name,) for folder in resolved]
    for level in range(max(map(len, parts))):
        names = tuple(below[max(0, len(below) - 1 - level)] for below in parts)
        if len(set(names)) == len(names):
            return names
    raise BadInputError("the folders' names do not tell the models apart; name each with --names")


def check_same_cases(models: Sequence[EvaluatedModel]) -> None:
    """Refuse evaluations of other cases, references or definitions than the first one's.

    References are taken for the same if they agree in voxels and volume of every case and in the voxels of every
    lesion.

    Raises
    ------
    UnmatchedCasesError
        If a case stands in one evaluation only.
    BadInputError
        If the references or the settings differ.
    """
    first, *others = models
    for other in others:
        _check_cases(first, other)
        for name in DEFINING_SETTINGS:
            one, two = first.settings[name], other.settings[name]
            if one != two:
                raise BadInputError(
                    f"{other.folder}: was evaluated with {name} {two}, {first.folder} with {one}; "
                    "evaluate both with the same"
                )
        _check_references(first, other)


def _check_cases(first: EvaluatedModel, other: EvaluatedModel) -> None:
    complaints = []
    for one, two in ((first, other), (other, first)):
        missing = sorted(set(one.case_ids) - set(two.case_ids))
        if missing:
            complaints.append(f"{two.folder} lacks {named_cases(missing)} of {one.folder}")
    if complaints:
        raise UnmatchedCasesError(f"{' and '.join(complaints)}; a comparison needs the same cases in all evaluations")


def _check_references(first: EvaluatedModel, other: EvaluatedModel) -> None:
    advice = "evaluate both against the same references"
    for i, case_id in enumerate(first.case_ids):
        one, two = first.reference_voxels[i], other.reference_voxels[i]
        if one != two:
            raise BadInputError(
                f"{other.folder}: case {case_id} has a reference of {two} voxels, in {first.folder} of {one}; {advice}"
            )
        if first.reference_ml[i] != other.reference_ml[i]:
            raise BadInputError(
                f"{other.folder}: case {case_id} has a reference of {other.reference_ml[i]} ml, in {first.folder} of "
                f"{first.reference_ml[i]} ml; {advice}"
            )
    for lesion, same in zip(first.lesions, other.lesions, strict=False):
        if lesion != same:
            raise BadInputError(
                f"{other.folder}: case {min(lesion[0], same[0])} has other reference lesions than in {first.folder}; "
                f"{advice}"
            )
    if len(first.lesions) != len(other.lesions):
        raise BadInputError(
            f"{other.folder}: has {len(other.lesions)} reference lesions, {first.folder} {len(first.lesions)}; {advice}"
        )
