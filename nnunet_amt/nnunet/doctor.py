"""Check what usually goes wrong before an hour of GPU is spent."""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import AMTError, MissingEnvironmentError
from nnunet_amt.models.folder import model_folder, require_plans_of_model, trainer_of
from nnunet_amt.models.plans import (
    CONFIGURATION,
    FINAL_CHECKPOINT,
    PAPER,
    PLANS_NAME,
    RECIPES,
    Recipe,
    read_plans,
    require_amt_plans,
)
from nnunet_amt.nnunet.environment import (
    FOLDER_VARIABLES,
    TRAINER_VARIABLE,
    dataset_name,
    environment_with_trainer,
    folder_from_environment,
    hook_folder,
)
from nnunet_amt.nnunet.raw_cases import check_case, list_cases

Verdict = Literal["ok", "warning", "problem"]
MINIMUM_NNUNET = (2, 8)


@dataclass(frozen=True)
class Finding:
    """Result of one check: what was checked, the verdict, what was seen, and what to do about it."""

    check: str
    verdict: Verdict
    seen: str
    advice: str = ""


def examine(
    dataset_id: int | None = None, *, checkpoint: Path | None = None, progress: Progress = silent
) -> Iterator[Finding]:
    """Yield a finding a check; with a dataset, its plans, files and checkpoints are checked too.

    A checkpoint is looked into without letting it run code. `progress` is told of every case and checkpoint read.
    """
    yield _nnunet_version()
    yield _torch_and_torchvision()
    yield _device()
    yield _trainer()
    yield from map(_folder, FOLDER_VARIABLES)
    if dataset_id is not None:
        yield from _plans(dataset_id)
        yield from _cases(dataset_id, progress)
        checkpoints: list[Path] = []
        with contextlib.suppress(AMTError):  # told by the check of the folders
            results = folder_from_environment("nnUNet_results")
            checkpoints = sorted(results.glob(f"Dataset{dataset_id:03d}_*/*/fold_*/checkpoint_*.pth"))
        yield from _checkpoints(checkpoints, progress)
    if checkpoint is not None:
        yield from _checkpoints([checkpoint], progress)


def _nnunet_version() -> Finding:
    try:
        version = importlib.metadata.version("nnunetv2")
    except importlib.metadata.PackageNotFoundError:
        return Finding("nnU-Net", "problem", "not installed", "pip install nnunetv2")
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < MINIMUM_NNUNET:
        return Finding("nnU-Net", "problem", version, "needs 2.8 or later: pip install --upgrade nnunetv2")
    return Finding("nnU-Net", "ok", f"nnunetv2 {version}")


def _torch_and_torchvision() -> Finding:
    """nnU-Net's search for a trainer imports torchvision, which must be of one build with torch."""
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        advice = "reinstall the two together, stock builds: pip install --force-reinstall torch torchvision"
        return Finding("torch and torchvision", "problem", f"{type(error).__name__}: {error}", advice)
    return Finding("torch and torchvision", "ok", f"torch {torch.__version__}, torchvision {torchvision.__version__}")


def _device() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("device", "problem", f"{type(error).__name__}: {error}", "reinstall torch")
    if torch.cuda.is_available():
        return Finding("device", "ok", torch.cuda.get_device_name(0))
    seen = f"no CUDA device, {os.cpu_count()} CPU cores"
    return Finding("device", "warning", seen, "fine for the demo, slow for a cohort")


def _trainer() -> Finding:
    """Find the trainer as nnU-Net will, and see that it is ours and that nnU-Net can make one."""
    set_already = str(hook_folder()) in os.environ.get(TRAINER_VARIABLE, "").split(os.pathsep)
    os.environ.update(environment_with_trainer(os.environ))
    try:
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

        from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT

        # the search talks, and imports what warns
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = recursive_find_trainer_class_by_name("nnUNetTrainerAMT")
    except Exception as error:  # whatever any of nnU-Net's trainer modules raises on import
        return Finding("trainer", "problem", f"{type(error).__name__}: {error}", "the search imports all of nnU-Net")
    if found is not nnUNetTrainerAMT:
        seen = f"nnUNetTrainerAMT is {found.__module__}"
        return Finding("trainer", "problem", seen, "another folder on nnUNet_extTrainer has a class of this name")
    expected, own = (list(inspect.signature(kind.__init__).parameters) for kind in (nnUNetTrainer, found))
    if expected != own:
        return Finding("trainer", "problem", f"signature {own}, nnU-Net's is {expected}", "install matching versions")
    if not set_already:
        seen = "nnUNetTrainerAMT is found by our commands; plain nnU-Net commands would not find it"
        return Finding("trainer", "warning", seen, 'eval "$(nnunet_amt env)"')
    return Finding("trainer", "ok", "nnUNetTrainerAMT is found and is ours")


def _folder(variable: str) -> Finding:
    try:
        folder = folder_from_environment(variable)
    except MissingEnvironmentError as error:
        return Finding(variable, "problem", str(error))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(variable, "problem", f"{folder}: {error.strerror}", "choose a folder you may write to")
    return Finding(variable, "ok", f"{folder}, writable")


def _plans(dataset_id: int) -> Iterator[Finding]:
    """Look at the plans of each recipe that a dataset was planned by."""
    advice = f"nnunet_amt plan -d {dataset_id}"
    try:
        preprocessed = folder_from_environment("nnUNet_preprocessed")
        folder = preprocessed / dataset_name(dataset_id, folder_from_environment("nnUNet_raw"))
    except AMTError as error:
        yield Finding("plans", "problem", str(error), advice)
        return
    planned = _planned(folder)
    if not planned:
        yield Finding("plans", "problem", f"{folder / PLANS_NAME}.json: not there", advice)
    for recipe in planned:
        yield _plans_of(recipe, folder, advice if recipe == PAPER else f"{advice} --recipe {recipe.key}")


def planned_recipe(dataset_id: int) -> Recipe | None:
    """Give the recipe that a dataset was planned by, of several the paper's; None if by none."""
    with contextlib.suppress(AMTError):
        preprocessed = folder_from_environment("nnUNet_preprocessed")
        return next(iter(_planned(preprocessed / dataset_name(dataset_id, preprocessed))), None)
    return None


def trained_fold(dataset_id: int, recipe: Recipe) -> tuple[str, str] | None:
    """Give trainer and fold of the newest training by a recipe, as it is planned now, that is at its end, else None.

    A training by the recipe's own trainer goes before those by its shorter forms, also while it is not at its end.
    """
    with contextlib.suppress(AMTError):
        preprocessed = folder_from_environment("nnUNet_preprocessed")
        dataset = dataset_name(dataset_id, preprocessed)
        results = folder_from_environment("nnUNet_results")
        own = model_folder(results, dataset=dataset, trainer=recipe.trainer)
        others = (results / dataset).glob(f"*__{recipe.plans}__{CONFIGURATION}")
        models = [own] if any(own.glob("fold_*/checkpoint_*.pth")) else list(others)
        ended = [path for model in models for path in model.glob(f"fold_*/{FINAL_CHECKPOINT}")]
        newest = max(ended, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None:
            require_plans_of_model(newest.parents[1], preprocessed / dataset / f"{recipe.plans}.json")
            return trainer_of(newest.parents[1]), newest.parent.name.removeprefix("fold_")
    return None


def _planned(folder: Path) -> list[Recipe]:
    return [recipe for recipe in RECIPES.values() if (folder / f"{recipe.plans}.json").is_file()]


def _plans_of(recipe: Recipe, folder: Path, advice: str) -> Finding:
    path = folder / f"{recipe.plans}.json"
    try:
        plans = read_plans(path)
        if plans["plans_name"] != path.stem:
            seen = f"{path.name} calls itself {plans['plans_name']!r}: results would go to another folder"
            return Finding("plans", "problem", seen, "give the file and its plans_name one name")
        require_amt_plans(plans, CONFIGURATION, recipe)
    except AMTError as error:
        return Finding("plans", "problem", str(error), advice)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Finding("plans", "problem", f"{path.name} is damaged", advice)
    whose = "the paper's" if recipe == PAPER else f"those of {recipe.whose} recipe"
    return Finding("plans", "ok", f"{recipe.plans} are {whose}, the name is the file's")


def _cases(dataset_id: int, progress: Progress) -> Iterator[Finding]:
    """Read every image and label of the raw dataset in full and compare their grids."""
    try:
        raw = folder_from_environment("nnUNet_raw")
        cases = list_cases(raw / dataset_name(dataset_id, raw))
    except AMTError as error:
        yield Finding("cases", "problem", str(error))
        return
    problems: list[str] = []
    everything = [(case, False) for case in cases.training] + [(case, True) for case in cases.external]
    for done, (case, may_be_empty) in enumerate(everything, start=1):
        try:
            check_case(case, cases.labels, may_be_empty=may_be_empty)
        except AMTError as error:
            problems.append(str(error))
        progress(done, len(everything), "reading cases")
    for problem in problems[:5]:
        yield Finding("cases", "problem", problem)
    if len(problems) > 5:
        yield Finding("cases", "problem", f"and {len(problems) - 5} more cases")
    if not problems:
        yield Finding("cases", "ok", f"{len(everything)} images and labels can be read and fit")


def _checkpoints(paths: list[Path], progress: Progress) -> Iterator[Finding]:
    """Tell which checkpoints are damaged or would run code when nnU-Net loads them."""
    if not paths:  # not trained yet
        return
    try:
        import torch  # noqa: F401 - what it needs

        from nnunet_amt.models.checkpoint_safety import read_checkpoint
    except (ImportError, OSError):  # told by the check of torch
        return
    harmless = 0
    for done, path in enumerate(paths, start=1):
        try:
            read_checkpoint(path)
            harmless += 1
        except (AMTError, OSError) as error:
            yield Finding("checkpoint", "problem", str(error))
        progress(done, len(paths), "checkpoints")
    if harmless:
        yield Finding("checkpoint", "ok", f"{harmless} of {len(paths)} are whole and run no code when loaded")
