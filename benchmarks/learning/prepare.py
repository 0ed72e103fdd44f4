"""The cohort, and the plans and arrays of each arm at the same spacing with the same split."""

from __future__ import annotations

import json
import os
from contextlib import redirect_stderr
from pathlib import Path

from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncM,
)
from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess_dataset

from benchmarks.learning.arms import Arm, Study
from benchmarks.phantoms import write_harder_cohort, write_without_tumours
from nnunet_amt.base.files import write_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.models.fast_network import FAST_FEATURES
from nnunet_amt.models.plans import CONFIGURATION, RECIPES, recipe_of
from nnunet_amt.nnunet.patches import quiet_nnunet
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.nnunet.raw_cases import fingerprint, list_cases
from nnunet_amt.trainers.unet import FEATURES_PER_LEVEL

__all__ = ["make_dataset", "plan_arm"]


def make_dataset(study: Study, jobs: int, progress: Progress) -> None:
    """Make the phantom cohort and convert it; and its external patients without their tumours."""
    manifest = write_harder_cohort(study.output / "cohort", design=study.design, jobs=jobs, progress=progress)
    convert(
        manifest,
        study.raw.parent,
        dataset_id=study.dataset_id,
        dataset_name=study.dataset_name,
        jobs=jobs,
        progress=progress,
    )
    write_without_tumours(study.without_tumours, manifest.parent, design=study.design, progress=progress)


def plan_arm(study: Study, arm: Arm, jobs: int, progress: Progress) -> None:
    """Plan and preprocess for an arm, all networks `narrower` than they are."""
    study.set_environment(arm)
    for folder in (study.preprocessed(arm), study.output / "planned" / arm.key / "nnUNet_results"):
        folder.mkdir(parents=True, exist_ok=True)
    if arm.trainer in [recipe.trainer for recipe in RECIPES.values()]:
        recipe = recipe_of(arm.trainer)
        features = FAST_FEATURES if recipe.key == "fast" else FEATURES_PER_LEVEL
        plan(
            study.dataset_id, recipe=recipe.key, spacing=study.spacing, patch_size=study.patch_size, window=arm.window,
            features=[number // study.narrower for number in features], jobs=jobs, progress=progress,
        )  # fmt: skip
        return
    _plan_nnunets(study, arm, jobs, progress)


def _plan_nnunets(study: Study, arm: Arm, jobs: int, progress: Progress) -> None:
    """Let nnU-Net plan by itself, but for the spacing, the width of its network, and what is in a step.

    For small volumes it would plan patches of the whole in batches of up to 33; see `Study.nnunets_step`.
    """
    record = study.preprocessed(arm) / "planned.json"
    settings = {"spacing": study.spacing, "narrower": study.narrower, "step": study.nnunets_step}
    wanted = json.loads(json.dumps(settings))  # its tuples as they come back
    if record.is_file() and json.loads(record.read_text(encoding="utf-8")) == wanted:
        return
    fingerprint(
        study.preprocessed(arm), dataset_id=study.dataset_id, cases=list_cases(study.raw), jobs=jobs, progress=progress
    )
    planner_class = nnUNetPlannerResEncM if "ResEnc" in arm.plans else ExperimentPlanner
    progress(0, 1, f"{arm.title}: plans and arrays")
    with quiet_nnunet(), Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        planner = planner_class(study.dataset_id, plans_name=arm.plans, overwrite_target_spacing=study.spacing)
        planner.UNet_base_num_features //= study.narrower
        planner.UNet_max_features_3d //= study.narrower
        plans = planner.plan_experiment()
        if study.nnunets_step is not None:
            batch_size, patch_size = study.nnunets_step
            plans["configurations"][CONFIGURATION].update(batch_size=batch_size, patch_size=list(patch_size))
            write_json(study.preprocessed(arm) / f"{arm.plans}.json", plans)
        preprocess_dataset(study.dataset_id, arm.plans, (CONFIGURATION,), (jobs,))
    write_json(record, wanted)
    progress(1, 1, f"{arm.title}: plans and arrays")
