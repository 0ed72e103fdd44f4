"""From nnU-Net's fingerprint of a dataset to the pinned plans and the preprocessed arrays.

Stock nnU-Net can read what is written here: every function and class that the plans name is its own, but for
the network, which our trainer builds.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet
from nnunetv2.utilities.json_export import recursive_fix_for_json_export

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.mediastinum import MediastinalRegion
from nnunet_amt.models.fast_network import FAST_FEATURES, FAST_WINDOW_HU, fast_architecture
from nnunet_amt.models.plans import CONFIGURATION, FAST, PAPER, RECIPES
from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment
from nnunet_amt.nnunet.patches import quiet_nnunet
from nnunet_amt.nnunet.preprocessing import preprocess
from nnunet_amt.nnunet.raw_cases import IntensityRange, fingerprint, list_cases, mediastinal_region
from nnunet_amt.paper import BATCH_SIZE, NETWORK_LEVELS
from nnunet_amt.trainers.unet import BLOCKS_PER_LEVEL, FEATURES_PER_LEVEL

# Not in the paper. With 5 mm slices and 0.7 mm pixels 160 x 134 x 134 mm; with batches of three about as many
# voxels as default nnU-Net takes a step.
TARGET_PATCH_SIZE = (32, 192, 192)
_RECORDED_FILES = ("splits_final.json", "dataset.json", "dataset_fingerprint.json")
# What a CT can have, and what it can be resampled to and still show a tumour.
SPACING_LIMITS_MM = (0.1, 20.0)


@dataclass(frozen=True)
class PlanSummary:
    """What was planned."""

    plans_file: Path
    spacing: tuple[float, ...]  # (z, y, x) in mm that images are resampled to
    patch_size: tuple[int, ...]  # (z, y, x) in voxels
    intensities: IntensityRange  # what is rescaled to [0, 1]
    cases: int  # preprocessed


def plan(
    dataset_id: int,
    *,
    recipe: str = PAPER.key,
    spacing: Sequence[float] | None = None,
    patch_size: Sequence[int] | None = None,
    window: Sequence[float] | None = None,
    features: Sequence[int] | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> PlanSummary:
    """Take the fingerprint of a raw dataset, write the pinned plans, preprocess the training and tuning images.

    Run again, it skips what is done and still fits.

    Parameters
    ----------
    recipe
        ``paper`` or ``fast``, see ``docs/recipe.md``; each has its own plans and arrays.
    spacing
        (z, y, x) in mm to resample to; None: nnU-Net's choice, the median of the dataset.
    patch_size
        (z, y, x) in voxels, multiples of 8; None: `TARGET_PATCH_SIZE`, or the median image where that is smaller.
    window
        HU that become 0 and 1, what is outside is clipped; None: the paper's, the lowest and highest of the dataset, or
        the fast recipe's, `FAST_WINDOW_HU`.
    features
        Channels of the network's levels, finest first; None: `FEATURES_PER_LEVEL`, or `FAST_FEATURES`.

    Raises
    ------
    BadInputError
        If the dataset is not there or an argument cannot be used.
    """
    _check_arguments(recipe, spacing, patch_size, window, features)
    raw_folder = folder_from_environment("nnUNet_raw")
    name = dataset_name(dataset_id, raw_folder)
    preprocessed = folder_from_environment("nnUNet_preprocessed") / name
    folder_from_environment("nnUNet_results")  # asked for now, not after an hour of work
    cases = list_cases(raw_folder / name)
    preprocessed.mkdir(parents=True, exist_ok=True)
    inputs = {"dataset": RunInput(raw_folder / name, "names_and_sizes")}
    plans_file = preprocessed / f"{RECIPES[recipe].plans}.json"
    chosen: dict[str, Any] = {"spacing": spacing, "patch_size": patch_size, "window": window, "features": features}
    asked = chosen if recipe == PAPER.key else {"recipe": recipe, **chosen}
    with recorded_run(
        preprocessed, "plan", settings=asked, inputs=inputs, outputs=(plans_file.name, *_RECORDED_FILES)
    ) as notes:
        intensities = fingerprint(preprocessed, dataset_id=dataset_id, cases=cases, jobs=jobs, progress=progress)
        # nnU-Net would keep an outdated split and stop at the difference
        shutil.copy(raw_folder / name / "splits_final.json", preprocessed / "splits_final.json")
        with quiet_nnunet():
            planner: AMTPlanner
            if recipe == FAST.key:
                region = mediastinal_region(cases, jobs=jobs, progress=progress)
                planner = FastPlanner(name, region=region, intensities=intensities, **chosen)
            else:
                planner = AMTPlanner(name, intensities=intensities, **chosen)
            plans = planner.plan_experiment()
        voxels = max(int(np.prod(shape)) for shape in planner.resampled_shapes())
        number = preprocess(
            raw_folder / name, preprocessed, plans=plans, configuration=CONFIGURATION, largest_image=voxels,
            jobs=jobs, progress=progress,
        )  # fmt: skip
        settings = plans["configurations"][CONFIGURATION]
        notes.settings.update(planned_spacing=settings["spacing"], planned_patch_size=settings["patch_size"])
        notes.counts["cases"] = number
    rescaled = planner.window or intensities
    return PlanSummary(plans_file, tuple(settings["spacing"]), tuple(settings["patch_size"]), rescaled, number)


class AMTPlanner(ExperimentPlanner):
    """nnU-Net's planner with the paper's choices in place of the self-configured ones; see `plan`."""

    recipe = PAPER
    default_features: tuple[int, ...] = FEATURES_PER_LEVEL

    def __init__(
        self,
        name: str,
        *,
        intensities: IntensityRange,
        spacing: Sequence[float] | None = None,
        patch_size: Sequence[int] | None = None,
        window: Sequence[float] | None = None,
        features: Sequence[int] | None = None,
    ) -> None:
        target_spacing = None if spacing is None else [float(edge) for edge in spacing]
        super().__init__(
            name, plans_name=self.recipe.plans, overwrite_target_spacing=target_spacing, suppress_transpose=True
        )
        self.intensities = intensities
        self.patch_size = patch_size
        self.features = [int(number) for number in features or self.default_features]
        self.window = None if window is None else IntensityRange(*(float(bound) for bound in window))

    def plan_experiment(self) -> dict:
        """Write and return the plans: one configuration, nothing of it guessed from the GPU at hand."""
        spacing = self.determine_fullres_target_spacing()
        shapes = self.resampled_shapes()
        limits = _rounded_up(np.max(shapes, axis=0).tolist(), self.recipe.patch_multiples)
        if self.patch_size and any(edge > limit for edge, limit in zip(self.patch_size, limits, strict=True)):
            raise BadInputError(
                f"patch size {list(self.patch_size)}: is larger than every image at this spacing; at most {limits}, "
                "z y x"
            )
        median_shape = [round(edge) for edge in np.median(shapes, axis=0)]
        true_foreground = self.dataset_fingerprint["foreground_intensity_properties_per_channel"]
        plans = {
            "dataset_name": self.dataset_name,
            "plans_name": self.plans_identifier,
            "original_median_spacing_after_transp": np.median(self.dataset_fingerprint["spacings"], axis=0).tolist(),
            "original_median_shape_after_transp": [
                round(edge) for edge in np.median(self.dataset_fingerprint["shapes_after_crop"], axis=0)
            ],
            "image_reader_writer": self.determine_reader_writer().__name__,
            "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2],
            "configurations": {CONFIGURATION: self._configuration(spacing.tolist(), median_shape)},
            "experiment_planner_used": type(self).__name__,
            "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {
                "0": rescaling_as_ct_normalization(self.intensities, self.window)
            },
            "true_foreground_intensity_properties_per_channel": true_foreground,
            "nnunet_amt_version": __version__,
            **self._particulars(),
        }
        recursive_fix_for_json_export(plans)
        folder = folder_from_environment("nnUNet_preprocessed") / self.dataset_name
        shutil.copy(Path(self.raw_dataset_folder) / "dataset.json", folder / "dataset.json")
        write_json(folder / f"{self.plans_identifier}.json", plans)
        return plans

    def resampled_shapes(self) -> list[np.ndarray]:
        """Shapes (z, y, x) of the images of the dataset after resampling."""
        spacing = self.determine_fullres_target_spacing()
        shapes, spacings = (self.dataset_fingerprint[key] for key in ("shapes_after_crop", "spacings"))
        return [compute_new_shape(shape, old, spacing) for shape, old in zip(shapes, spacings, strict=True)]

    def _configuration(self, spacing: list[float], median_shape: list[int]) -> dict:
        # force_separate_z None: nnU-Net's own rule for thick slices
        resampling = {"force_separate_z": None, "memefficient_seg_resampling": False}
        return {
            "data_identifier": self.generate_data_identifier(CONFIGURATION),
            "preprocessor_name": self.preprocessor_name,
            "batch_size": BATCH_SIZE,
            "patch_size": list(self.patch_size or default_patch_size(median_shape, self.recipe.patch_multiples)),
            "median_image_size_in_voxels": median_shape,
            "spacing": spacing,
            "normalization_schemes": ["CTNormalization"],
            "use_mask_for_norm": [False],
            "resampling_fn_data": resample_torch_fornnunet.__name__,
            "resampling_fn_seg": resample_torch_fornnunet.__name__,
            "resampling_fn_data_kwargs": {"is_seg": False, **resampling},
            "resampling_fn_seg_kwargs": {"is_seg": True, **resampling},
            "resampling_fn_probabilities": resample_torch_fornnunet.__name__,
            "resampling_fn_probabilities_kwargs": {"is_seg": False, **resampling},
            "architecture": self._architecture(),
            "batch_dice": True,
        }

    def _particulars(self) -> dict[str, Any]:
        """Give what the plans hold besides what nnU-Net's do; the paper's hold nothing more."""
        return {}

    def _architecture(self) -> dict[str, Any]:
        return {
            "network_class_name": self.recipe.network,
            "arch_kwargs": {"features_per_level": self.features, "blocks_per_level": BLOCKS_PER_LEVEL},
            "_kw_requires_import": [],
        }


class FastPlanner(AMTPlanner):
    """The planner of the fast recipe: a window of HU, a lighter network, and where in a chest tumours lie."""

    recipe = FAST
    default_features: tuple[int, ...] = FAST_FEATURES

    def __init__(
        self, name: str, *, region: MediastinalRegion | None, window: Sequence[float] | None = None, **settings: Any
    ) -> None:
        super().__init__(name, window=window or FAST_WINDOW_HU, **settings)
        self.region = region

    def _particulars(self) -> dict[str, Any]:
        region = self.region  # None, and nothing is left out, where no lungs were seen in training
        return {"mediastinal_region": None if region is None else {"y": list(region.y), "x": list(region.x)}}

    def _architecture(self) -> dict[str, Any]:
        return fast_architecture(self.features)


def rescaling_as_ct_normalization(
    intensities: IntensityRange, window: IntensityRange | None = None
) -> dict[str, float]:
    """Say "rescale minimum and maximum to [0, 1]" in the words of nnU-Net's CTNormalization.

    It computes (clip(x, percentile_00_5, percentile_99_5) - mean) / std. With the minimum as lower bound and
    mean, the maximum as upper bound, and their difference as std, that is the paper's rescaling, with values
    outside the range clipped. A `window` takes the place of minimum and maximum there; those of the dataset stay
    under their own names, so that plans tell which of the two was rescaled.
    """
    rescaled = window or intensities
    return {
        "mean": rescaled.minimum,
        "std": rescaled.maximum - rescaled.minimum,
        "min": intensities.minimum,
        "max": intensities.maximum,
        "percentile_00_5": rescaled.minimum,
        "percentile_99_5": rescaled.maximum,
        "median": (rescaled.minimum + rescaled.maximum) / 2.0,
    }


def default_patch_size(median_shape: Sequence[int], multiples: Sequence[int] = PAPER.patch_multiples) -> list[int]:
    """`TARGET_PATCH_SIZE`, but no edge longer than the median image's, rounded up to a multiple."""
    limits = _rounded_up(median_shape, multiples)
    return [min(target, limit) for target, limit in zip(TARGET_PATCH_SIZE, limits, strict=True)]


def _rounded_up(shape: Sequence[float], multiples: Sequence[int]) -> list[int]:
    return [multiple * ceil(edge / multiple) for edge, multiple in zip(shape, multiples, strict=True)]


def _check_arguments(
    recipe: str,
    spacing: Sequence[float] | None,
    patch_size: Sequence[int] | None,
    window: Sequence[float] | None,
    features: Sequence[int] | None,
) -> None:
    if recipe not in RECIPES:
        raise BadInputError(f"recipe {recipe!r}: must be one of {', '.join(RECIPES)}")
    low, high = SPACING_LIMITS_MM
    if spacing is not None and (len(spacing) != 3 or not all(low <= edge <= high for edge in spacing)):
        raise BadInputError(f"spacing {list(spacing)}: must be three numbers from {low:g} to {high:g}, z y x in mm")
    multiples = RECIPES[recipe].patch_multiples
    if patch_size is not None and (min(patch_size, default=0) <= 0 or not RECIPES[recipe].takes_patch(patch_size)):
        raise BadInputError(
            f"patch size {list(patch_size)}: z, y and x must be positive multiples of {multiples[0]}, {multiples[1]} "
            f"and {multiples[2]} voxels in the {recipe} recipe; give another --patch-size"
        )
    if window is not None and not (len(window) == 2 and all(map(isfinite, window)) and window[0] < window[1]):
        raise BadInputError(f"window {list(window)}: must be two numbers in HU, the lower one first")
    levels = len(FAST_FEATURES) if recipe == FAST.key else NETWORK_LEVELS
    if features is not None and (len(features) != levels or not all(1 <= number <= 1024 for number in features)):
        raise BadInputError(f"features {list(features)}: must be {levels} numbers from 1 to 1024, finest level first")
