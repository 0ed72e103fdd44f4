"""What nnU-Net finds around it: its folders, our trainers, the device to compute on, and why one is not there."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import nnunet_amt
from nnunet_amt.errors import BadInputError, MissingEnvironmentError

FOLDER_VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
TRAINER_VARIABLE = "nnUNet_extTrainer"
DEVICES = ("auto", "cpu", "cuda", "mps")

logger = logging.getLogger(__name__)


def hook_folder() -> Path:
    """Folder that nnU-Net's trainer search must be pointed at."""
    return Path(nnunet_amt.__file__).resolve().parent / "nnunet" / "hook"


def folders_below(base: Path) -> dict[str, str]:
    """Give nnU-Net's three folder variables as folders of their own names in `base`."""
    return {name: str(base.resolve() / name) for name in FOLDER_VARIABLES}


def folder_from_environment(name: str) -> Path:
    """Read one of nnU-Net's folder variables, which must be set and name no file."""
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


def dataset_number(model: str) -> int | None:
    """Give the number of the dataset that a model is named by; None where it is a file or folder, or no number."""
    return int(model) if model.isdecimal() and not Path(model).exists() else None


def dataset_name(dataset_id: int, folder: Path, made_by: str | None = None) -> str:
    """Find the name, such as ``Dataset711_AMT``, of a dataset in one of nnU-Net's folders.

    nnU-Net itself looks into all three folders and stops if they know several names for a number, so all that are
    set are looked into here too.

    `made_by` is the command that puts it into `folder`, for the message; the conversion if not given.
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
    """Copy an environment and add our trainers to nnU-Net's search path, keeping what is on it.

    Relative entries are left out: nnU-Net would import every module of a folder in the folder that it is started in.
    """
    given = [folder for folder in environment.get(TRAINER_VARIABLE, "").split(os.pathsep) if folder]
    on_path = [folder for folder in given if Path(folder).is_absolute()]
    for folder in given:
        if folder not in on_path:
            logger.warning("%s: %r is left out; give the whole path of a folder of trainers", TRAINER_VARIABLE, folder)
    hook = str(hook_folder())
    if hook not in on_path:
        on_path.append(hook)
    return {**environment, TRAINER_VARIABLE: os.pathsep.join(on_path)}


def export_lines(environment: Mapping[str, str]) -> list[str]:
    """Shell lines that make plain nnU-Net commands find our trainers, and its folders where they are set."""
    with_trainer = environment_with_trainer(environment)
    names = (*FOLDER_VARIABLES, TRAINER_VARIABLE)
    return [f"export {name}={shlex.quote(with_trainer[name])}" for name in names if with_trainer.get(name)]


def our_trainers() -> list[str]:
    """Name the trainers that our hook gives to nnU-Net, without importing them."""
    module = (hook_folder() / "amt_trainers.py").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"nnUNetTrainerAMT\w*", module.partition("__all__")[2])))


def require_known_trainer(name: str) -> None:
    """Refuse a misspelt name of ours, and nnU-Net's own trainers; others, from elsewhere, are nnU-Net's to find.

    nnU-Net's own cannot build the network of our plans, and would end in a traceback.
    """
    ours = our_trainers()
    if name.startswith("nnUNetTrainerAMT") and name not in ours:
        raise BadInputError(f"--trainer {name}: there is no such trainer; ours are {', '.join(ours)}")
    if name.startswith("nnUNetTrainer") and name not in ours and is_of_nnunet(name):
        raise BadInputError(
            f"--trainer {name}: is nnU-Net's own, which cannot train the network of our plans; take one of ours "
            f"({', '.join(ours)}), or run plain nnUNetv2_train with nnU-Net's plans"
        )


def is_of_nnunet(trainer: str) -> bool:
    """Whether nnU-Net defines a trainer; it is read, not imported: some variants need what may not be installed."""
    definition = re.compile(rf"^class {re.escape(trainer)}\b", re.MULTILINE)
    found = importlib.util.find_spec("nnunetv2")
    folders = (found.submodule_search_locations if found else None) or []
    modules = (module for folder in folders for module in Path(folder, "training", "nnUNetTrainer").rglob("*.py"))
    return any(definition.search(module.read_text(encoding="utf-8")) for module in modules)


def require_device(device: str, num_gpus: int = 1) -> str:
    """Give the device that nnU-Net is told, having seen that torch can use it.

    `device` is one of `DEVICES`, where ``auto`` is CUDA if there is one, else the CPU; `num_gpus` are the CUDA devices
    that are asked for.
    """
    if device not in DEVICES:
        raise BadInputError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError(f"--device cuda: {_why_no_cuda()}; or take --device cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise BadInputError("--device mps: needs a Mac with Apple silicon and its torch; take --device auto")
    if num_gpus > 1 and device != "cuda":
        raise BadInputError(f"-num_gpus {num_gpus}: nnU-Net trains on several devices with CUDA only, not on {device}")
    if num_gpus > 1 and num_gpus > torch.cuda.device_count():
        raise BadInputError(
            f"-num_gpus {num_gpus}: torch can use {torch.cuda.device_count()} here{_visible()}; give no more than that"
        )
    return device


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA; install a stock torch"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"torch finds no CUDA device{_visible()}; set that variable to the number of one, or unset it"
    return "torch finds no CUDA device; look with nvidia-smi whether the driver runs"


def _visible() -> str:
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if value is None else f" (CUDA_VISIBLE_DEVICES is {value!r})"
