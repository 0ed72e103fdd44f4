"""Where a model to segment with comes from: a study, a dataset's number, a model's folder, or a zip of nnU-Net's."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from nnunet_amt.base.files import read_record
from nnunet_amt.dataset_conversion.training_list import TrainingList, training_list
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import PATIENTS, subjects_in
from nnunet_amt.models.folder import require_model, trainer_of
from nnunet_amt.models.plans import BEST_CHECKPOINT, DEFAULT_TRAINER, FINAL_CHECKPOINT
from nnunet_amt.nnunet.environment import dataset_number, require_known_trainer
from nnunet_amt.nnunet.predict import find_model, trained_models
from nnunet_amt.study.settings import SETTINGS_FILE, StudyFolders, read_settings
from nnunet_amt.trainers.networks import network_of_plans

_LARGEST_MEMBER_BYTES = 2_000_000_000


@contextmanager
def opened_model(
    model: str, *, fold: str = "0", trainer: str | None = None, checkpoint: str | None = None
) -> Iterator[Path]:
    """Give the path of a model's checkpoint, looked at as `predict` looks at it; a zip is unpacked for so long.

    Parameters
    ----------
    model
        Folder of a study, number of a dataset in nnUNet_results, a folder ``<trainer>__<plans>__<configuration>``, or a
        zip that ``nnUNetv2_export_model_to_zip`` wrote.
    fold, trainer, checkpoint
        Which model of a dataset, and which of its files; the best checkpoint, and where that is missing the last.

    Raises
    ------
    BadInputError
        If there is no such model, or it may not be used; see `require_model`.
    """
    path, number = Path(model), dataset_number(model)
    if number is not None:
        yield find_model(number, fold, trainer or DEFAULT_TRAINER, checkpoint or BEST_CHECKPOINT)
    elif (path / SETTINGS_FILE).is_file():
        yield _of_folder(StudyFolders.of(path, read_settings(path)).fold_folder.parent, fold, checkpoint)
    elif path.is_dir():
        yield _of_folder(path, fold, checkpoint)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as unpacked:
            yield _of_folder(_unpack(path, Path(unpacked)), fold, checkpoint)
    else:
        raise BadInputError(
            f"--model {model}: is neither the folder of a study nor the number of a dataset, neither a model's folder "
            "nor a zip that nnUNetv2_export_model_to_zip wrote"
        )


def trained_on(weights: Path) -> str:
    """Say what a model has learnt from, by the dataset.json in its folder; empty if, among others, from patients."""
    subjects = subjects_in(read_record(weights.parents[1] / "dataset.json")) or ""
    return "" if PATIENTS in subjects.split() else subjects


def training_list_of(model: str) -> TrainingList | None:
    """Gather what is at hand of the list of CTs that a model was trained on; `model` as in `opened_model`.

    Its ``dataset.json`` has their hashes; where the dataset stands too, in the study or in nnUNet_raw, it has more. Of
    a dataset's number all models are looked at, whatever their trainer: they have learnt from the same CTs.

    Raises
    ------
    BadInputError
        As `opened_model`.
    """
    number = dataset_number(model)
    if number is not None:
        return _list_of(trained_models(number))
    with opened_model(model) as weights:
        return _list_of([weights.parents[1].resolve()])


def _list_of(models: Sequence[Path]) -> TrainingList | None:
    places = [models[0].parents[1].parent / "nnUNet_raw"]
    if raw := os.environ.get("nnUNet_raw"):  # noqa: SIM112
        places.append(Path(raw).resolve())
    datasets = [place / models[0].parent.name for place in dict.fromkeys(places)]
    return training_list(models, [dataset for dataset in datasets if dataset.is_dir()])


def require_no_zip(model: str) -> None:
    """Refuse a model that is unpacked on this machine alone, where others are to load it."""
    if zipfile.is_zipfile(model):
        raise BadInputError(
            f"--executor: its workers do not see what is unpacked here of --model {model}; unpack it into a folder "
            "that all of them see, and give that"
        )


def _of_folder(folder: Path, fold: str, checkpoint: str | None) -> Path:
    if not any(folder.glob("fold_*")):
        below = sorted({str(found.parent) for depth in ("*", "*/*") for found in folder.glob(f"{depth}/fold_*")})
        hint = f"give one of those below it: {', '.join(below)}" if below else "one holds fold_0 and plans.json"
        raise BadInputError(f"--model {folder}: is no folder of a model; {hint}")
    trainer = trainer_of(folder.resolve())
    require_known_trainer(trainer)
    name = checkpoint or BEST_CHECKPOINT
    if checkpoint is None and not (folder / f"fold_{fold}" / name).is_file():
        name = FINAL_CHECKPOINT
    return require_model(folder, fold=fold, checkpoint=name, trainer=trainer, network=network_of_plans)


def _unpack(path: Path, target: Path) -> Path:
    """Unpack the model of a zip; give its folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
            folders = {name.parents[1] for name in names if name.suffix == ".pth" and len(name.parts) >= 3}
            if len(folders) != 1:
                raise BadInputError(f"{path.name}: holds {len(folders)} models; give a zip of one")
            (folder,) = folders
            for member in archive.infolist():
                place = PurePosixPath(member.filename)
                if member.is_dir() or folder not in place.parents or place.suffix not in (".pth", ".json"):
                    continue
                if member.file_size > _LARGEST_MEMBER_BYTES:
                    raise BadInputError(f"{path.name}: {place.name} unpacks to {member.file_size} bytes, no model does")
                archive.extract(member, target)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise BadInputError(f"{path.name}: the zip is damaged; export the model again") from error
    return target / folder
