"""The tuning cases of a model: which they are, that none is of the external test set, and their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.dataset_conversion.convert_case import voxel_digests
from nnunet_amt.errors import BadInputError, MissingEnvironmentError, SplitLeakageError
from nnunet_amt.images.geometry import to_lps
from nnunet_amt.images.image_file import itk_warnings_off, read_image
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.models.folder import require_model
from nnunet_amt.models.plans import SPLITS
from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment, require_device, require_known_trainer
from nnunet_amt.nnunet.input_images import InputImages, open_images
from nnunet_amt.nnunet.loaded_model import load_model
from nnunet_amt.nnunet.predict import find_model
from nnunet_amt.nnunet.predict_cases import predict_unfinished
from nnunet_amt.nnunet.predictions import image_name, unfinished_predictions, with_saved_probabilities
from nnunet_amt.study.settings import StudyFolders, read_settings
from nnunet_amt.trainers.networks import network_of_plans

# Beside the checkpoint: label maps and probabilities of the tuning cases.
FOLDER = "calibration"
_AGAIN = "convert the cohort again"


@dataclass(frozen=True)
class ModelToCalibrate:
    """A model's checkpoint, its fold, and its dataset in nnUNet_raw and, where it is there, nnUNet_preprocessed."""

    checkpoint: Path
    fold: str
    dataset_id: int
    raw: Path
    preprocessed: Path | None = None

    @property
    def predictions(self) -> Path:
        """Folder of what it makes of the tuning cases."""
        return self.checkpoint.parent / FOLDER


def model_of_dataset(dataset_id: int, *, fold: str, trainer: str, checkpoint: str) -> ModelToCalibrate:
    """Find a model as `predict` does; BadInputError if it may not be used."""
    raw = folder_from_environment("nnUNet_raw")
    dataset = raw / dataset_name(dataset_id, raw)
    try:
        preprocessed = folder_from_environment("nnUNet_preprocessed") / dataset.name
    except MissingEnvironmentError:  # a model from elsewhere
        preprocessed = None
    found = find_model(dataset_id, fold, trainer, checkpoint)
    return ModelToCalibrate(found, fold, dataset_id, dataset, preprocessed)


def model_of_study(study: Path) -> ModelToCalibrate:
    """Find the model that a study trained and predicts with; BadInputError if it may not be used."""
    settings = read_settings(study)
    at, trained = StudyFolders.of(study, settings), settings.train
    require_known_trainer(trained.trainer)
    checkpoint = require_model(
        at.fold_folder.parent, fold=trained.fold, checkpoint=settings.predict.checkpoint, trainer=trained.trainer,
        network=network_of_plans,
    )  # fmt: skip
    return ModelToCalibrate(checkpoint, trained.fold, settings.study.dataset, at.raw, at.preprocessed)


def tuning_cases(model: ModelToCalibrate) -> list[str]:
    """List the cases that the model's checkpoint was chosen on, from the split that it was trained with.

    Raises
    ------
    BadInputError
        If there are none: of fold ``all``, or by the split.
    """
    if model.fold == "all":
        raise BadInputError("--fold all: trained on the tuning cases too, so no points can be chosen on them; give 0")
    files = [folder / "splits_final.json" for folder in (model.preprocessed, model.raw) if folder is not None]
    path = next((file for file in files if file.is_file()), files[-1])
    splits = read_json(path, form=SPLITS, advice=_AGAIN)
    if int(model.fold) >= len(splits):
        raise BadInputError(f"--fold {model.fold}: {path} has {len(splits)}")
    split = splits[int(model.fold)]
    if not split["val"]:
        raise BadInputError(f"{path}: fold {model.fold} has no tuning case (val), on which points are chosen; {_AGAIN}")
    if trained := sorted({*split["train"]} & {*split["val"]}):
        raise SplitLeakageError(f"{path}: case {trained[0]} is in training and tuning of fold {model.fold}; {_AGAIN}")
    return sorted(split["val"])


def require_not_external(raw: Path, cases: Sequence[str], *, jobs: int, progress: Progress) -> None:
    """Refuse tuning cases that are in imagesTs, by their names or voxel for voxel: figures there would mean nothing.

    Voxels are compared along LPS axes, whatever the type of number; only CTs of equal sizes are read.

    Raises
    ------
    SplitLeakageError
        Naming the first.
    """
    external = {path.name: path for path in sorted((raw / "imagesTs").glob("*.nii.gz"))}
    remedy = "take it out of one of both, and convert, train and calibrate again"
    for case in cases:
        if image_name(case) in external:
            raise SplitLeakageError(f"{raw / 'imagesTs'}: tuning case {case} is in the external test set; {remedy}")
    tuning = {case: raw / "imagesTr" / image_name(case) for case in cases}
    if missing := [case for case, path in tuning.items() if not path.is_file()]:
        raise BadInputError(f"{raw / 'imagesTr'}: tuning case {missing[0]} has no image; {_AGAIN}")
    with itk_warnings_off():
        sizes = {path: sorted(read_geometry(path).size) for path in (*tuning.values(), *external.values())}
        shared = [sizes[path] for path in external.values()]
        alike = [path for path in tuning.values() if sizes[path] in shared]
        wanted = [sizes[path] for path in alike]
        paths = [*alike, *(path for path in external.values() if sizes[path] in wanted)]
        digests: dict[str, Path] = {}
        progress(0, len(paths), "comparing with the external test set")
        with ThreadPoolExecutor(jobs) as threads:
            for done, (path, digest) in enumerate(zip(paths, threads.map(_digest, paths), strict=True), start=1):
                first = digests.setdefault(digest, path)
                if first.parent != path.parent:
                    raise SplitLeakageError(
                        f"{path}: is the same CT, voxel for voxel, as tuning case "
                        f"{first.name.removesuffix('_0000.nii.gz')}; {remedy}"
                    )
                progress(done, len(paths), "comparing with the external test set")


def _digest(path: Path) -> str:
    import SimpleITK as sitk

    values = np.rint(sitk.GetArrayFromImage(to_lps(read_image(path)))).astype(np.int32)
    return voxel_digests(values)[0]


def predict_tuning_cases(
    model: ModelToCalibrate, cases: Sequence[str], *, device: str, jobs: int, progress: Progress
) -> None:
    """Predict the tuning cases with their probabilities; what is there of this model and these images stays.

    Raises
    ------
    BadInputError
        If an image cannot be used, or the model is one that only nnU-Net's own command predicts.
    WorkFailedError, DiskFullError
        If the network fails, or the disk fills up.
    """
    images = model.raw / "imagesTr"
    inputs = _only(open_images(images, jobs=jobs, progress=progress), cases)
    output = model.predictions
    unfinished = unfinished_predictions(
        images, output, model.checkpoint, options=inputs.preparation, probabilities=True, chosen=cases
    )
    if not unfinished:
        return
    saved = with_saved_probabilities(output, unfinished)
    done = len(cases) - len(unfinished)
    progress(done, len(cases), "prediction")

    def on_case(_: str, __: float | None) -> None:
        nonlocal done
        done += 1
        progress(done, len(cases), "prediction")

    predict_unfinished(
        lambda: load_model(model.checkpoint, device=require_device(device)), inputs, unfinished, output, saved=saved,
        jobs=jobs, probabilities=True, progress=progress, on_case=on_case,
    )  # fmt: skip


def _only(images: InputImages, cases: Sequence[str]) -> InputImages:
    """Take some cases of a folder."""
    files = images.files and tuple(
        file for case, file in zip(images.part_of_cases, images.files, strict=True) if case in cases
    )
    return replace(images, cases=tuple(cases), part_of_cases=tuple(cases), files=files)
