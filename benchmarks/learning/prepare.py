"""Steps 1 and 2: the cohort, and both recipes' plans and arrays at the same spacing with the same split."""

from __future__ import annotations

import json
import os

from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiment_dataset, preprocess_dataset

from benchmarks.learning.study import CONFIGURATION, DEFAULT, Study
from nnunet_amt.base.files import write_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.nnunet.environment import folders_below
from nnunet_amt.nnunet.patches import quiet_nnunet
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.phantom import write_harder_cohort

__all__ = ["make_dataset", "plan_both"]


def make_dataset(study: Study, jobs: int, progress: Progress) -> None:
    """Make the phantom cohort and convert it."""
    os.environ.update(folders_below(study.output))
    manifest = write_harder_cohort(study.output / "cohort", study.design, progress, jobs)
    convert(manifest, study.output / "nnUNet_raw", study.dataset_id, study.dataset_name, jobs=jobs, progress=progress)


def plan_both(study: Study, jobs: int, progress: Progress) -> None:
    """Plan and preprocess for both; default nnU-Net plans by itself, but for the spacing."""
    (study.output / "nnUNet_results").mkdir(exist_ok=True)
    plan(study.dataset_id, spacing=study.spacing, patch_size=study.patch_size, jobs=jobs, progress=progress)
    record = study.preprocessed / "default_nnunet_planned.json"
    wanted = {"spacing": list(study.spacing), "cases": study.design.training + study.design.tuning}
    progress(0, 1, "default nnU-Net's plans and preprocessing")
    if not record.is_file() or json.loads(record.read_text(encoding="utf-8")) != wanted:
        with quiet_nnunet():
            # the fingerprint that `plan` has taken is nnU-Net's own
            plan_experiment_dataset(study.dataset_id, overwrite_target_spacing=study.spacing)
            preprocess_dataset(study.dataset_id, DEFAULT.plans, (CONFIGURATION,), (jobs,))
        write_json(record, wanted)
    progress(1, 1, "default nnU-Net's plans and preprocessing")
