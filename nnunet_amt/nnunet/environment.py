"""nnU-Net's folders and the way to our trainer, from and for the environment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import nnunet_amt
from nnunet_amt.errors import BadInputError, MissingEnvironmentError

FOLDER_VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
TRAINER_VARIABLE = "nnUNet_extTrainer"


def hook_folder() -> Path:
    """Folder that nnU-Net's trainer search must be pointed at."""
    return Path(nnunet_amt.__file__).resolve().parent / "nnunet" / "hook"


def folders_below(base: Path) -> dict[str, str]:
    """Give nnU-Net's three folder variables as folders of their own names in `base`."""
    return {name: str(base.resolve() / name) for name in FOLDER_VARIABLES}


def folder_from_environment(name: str) -> Path:
    """Read one of nnU-Net's folder variables.

    Raises
    ------
    MissingEnvironmentError
        If the variable is not set, or what it names is a file.
    """
    value = os.environ.get(name)
    if not value:
        raise MissingEnvironmentError(
            f"the environment variable {name} is not set; set it, or give all three folders at once with: "
            'eval "$(nnunet_amt env --folder DIR)"'
        )
    folder = Path(value)
    if folder.exists() and not folder.is_dir():
        raise MissingEnvironmentError(f"{name}={value}: is a file, must be a folder")
    return folder


def dataset_name(dataset_id: int, folder: Path, made_by: str | None = None) -> str:
    """Find the name, such as ``Dataset711_AMT``, of a dataset in one of nnU-Net's folders.

    nnU-Net itself looks into all three folders and stops if they know several names for a number, so all that are
    set are looked into here too.

    Parameters
    ----------
    dataset_id
        Number of the dataset.
    folder
        Where it must be.
    made_by
        The command that puts it there, for the message; the conversion if not given.

    Raises
    ------
    BadInputError
        If `folder` holds none or several of this number.
    """
    pattern = f"Dataset{dataset_id:03d}_*"
    made_by = made_by or f"nnunet_amt convert MANIFEST.csv -d {dataset_id}"
    found = _names(folder, pattern)
    if not found:
        raise BadInputError(f"{folder}: nothing of {pattern} there; make it with: {made_by}")
    others = [Path(os.environ[name]) for name in FOLDER_VARIABLES if os.environ.get(name)]
    everywhere = sorted(found.union(*(_names(other, pattern) for other in others)))
    if len(everywhere) > 1:
        where = ", ".join(str(other) for other in {folder, *others} if _names(other, pattern))
        raise BadInputError(
            f"{len(everywhere)} datasets have the number {dataset_id} ({', '.join(everywhere)}) in {where}; keep one"
        )
    return everywhere[0]


def _names(folder: Path, pattern: str) -> set[str]:
    return {path.name for path in folder.glob(pattern) if path.is_dir()}


def environment_with_trainer(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment and add our trainers to nnU-Net's search path, keeping what is on it."""
    on_path = [folder for folder in environment.get(TRAINER_VARIABLE, "").split(os.pathsep) if folder]
    hook = str(hook_folder())
    if hook not in on_path:
        on_path.append(hook)
    return {**environment, TRAINER_VARIABLE: os.pathsep.join(on_path)}


def export_lines(environment: Mapping[str, str]) -> list[str]:
    """Shell lines that make plain nnU-Net commands find our trainers, and its folders where they are set."""
    with_trainer = environment_with_trainer(environment)
    names = (*FOLDER_VARIABLES, TRAINER_VARIABLE)
    return [f"export {name}={shlex.quote(with_trainer[name])}" for name in names if with_trainer.get(name)]
