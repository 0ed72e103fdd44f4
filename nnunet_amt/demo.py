"""The embedded defaults: whole studies of segmentation, of risk and of CT with CTC on phantoms, really run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_amt.base.files import require_free_space
from nnunet_amt.base.processes import usable_cores
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from nnunet_amt.phantom.lesion_cohort import LESION_DESIGN, write_lesion_cohort
from nnunet_amt.phantom.risk_cohort import RISK_DESIGN, write_risk_cohort
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.fusion_settings import DMFN, REGNET, SHUFFLED, FusionSettings
from nnunet_amt.risk.fusion.lesion_study import LesionStudyResult, run_lesion_study
from nnunet_amt.risk.networks.settings import EMBEDDED
from nnunet_amt.risk.risk_settings import RADIOMICS, RiskSettings
from nnunet_amt.risk.risk_study import RiskStudyResult, run_risk_study
from nnunet_amt.study.run_study import OnStage, StudyResult, open_study, run_study, study_status
from nnunet_amt.study.settings import SETTINGS_FILE, read_settings

NEEDED_BYTES = 1_000_000_000
BESIDE_TUMOURS_MM = 50.0


@dataclass(frozen=True)
class DemoSettings:
    """The phantom cohort that the demo makes, and how it trains."""

    # scans that end 5 cm above and below the tumours: what lies beyond would take a third of the time
    design: CohortDesign = field(default_factory=lambda: CohortDesign(beside_tumours=BESIDE_TUMOURS_MM))
    trainer: str = "nnUNetTrainerAMT_demo"
    seed: int = 711  # of the training; the phantoms have one of their own
    # (z, y, x) in mm; coarse enough for two CPU cores, and a tumour of 5 cm is still ten voxels wide
    spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)
    patch_size: tuple[int, int, int] = (24, 40, 40)  # (z, y, x) in voxels, 12 to 20 cm
    # Half of the recipe's: a step takes a quarter of the time, so that there can be more of them
    features: tuple[int, int, int, int] = (16, 32, 64, 128)
    window: tuple[float, float] = (-160.0, 240.0)  # HU: that of soft tissue, in which fat and tumour are far apart
    dataset_id: int = 711
    dataset_name: str = "AMTPhantom"


def run_demo(
    output: Path,
    *,
    settings: DemoSettings | None = None,
    device: str = "cpu",
    progress: Progress = silent,
    on_stage: OnStage | None = None,
) -> StudyResult:
    """Make a phantom cohort and run a study of it; run again, it goes on where it stopped.

    `output` becomes a study, with the cohort in ``phantom_cohort``; `progress` and `on_stage` are as in `run_study`. It
    needs 1 GB of free disk.
    """
    require_free_space(output, NEEDED_BYTES, "the demo")
    _use_one_thread()
    settings = settings or DemoSettings()
    manifest = write_phantom_cohort(
        output / "phantom_cohort", design=settings.design, jobs=usable_cores(), progress=progress
    )
    changes: dict[str, dict[str, object]] = {
        # images so small are read sooner than a second worker is started
        "study": {"dataset": settings.dataset_id, "name": settings.dataset_name, "device": device, "jobs": 1},
        "plan": {
            "spacing": settings.spacing,
            "patch_size": settings.patch_size,
            "window": settings.window,
            "features": settings.features,
        },
        "train": {"trainer": settings.trainer, "seed": settings.seed},
    }
    return run_study(
        output, open_study(output, manifest=manifest, changes=changes), progress=progress, on_stage=on_stage
    )


def demo_is_finished(output: Path) -> bool:
    """Whether a folder holds a demo of segmentation whose stages are all done."""
    if not (output / SETTINGS_FILE).is_file():
        return False
    return all(state.done for state in study_status(output, read_settings(output)))


@dataclass(frozen=True)
class RiskDemoSettings:
    """The phantom cohort of low and high risk that the demo makes, and what is trained on it.

    `null` makes a cohort without any difference between the classes: nothing can be learnt, and the AUCs say so.
    """

    design: CohortDesign = field(default_factory=lambda: RISK_DESIGN)
    null: bool = False
    study: RiskSettings = field(
        default_factory=lambda: RiskSettings(
            models=(EMBEDDED, "shufflenet_v2_x0_5", RADIOMICS, CLINICAL), epochs=15, pretrained=False
        )
    )
    dataset_id: int = 712
    dataset_name: str = "AMTRiskPhantom"


def run_risk_demo(
    output: Path, *, settings: RiskDemoSettings | None = None, device: str = "cpu", progress: Progress = silent
) -> RiskStudyResult:
    """Make a phantom cohort of low and high risk and run the study of risk on it; run again, it goes on.

    The readers are simulated at the published AUCs, and the results say so.
    """
    require_free_space(output, NEEDED_BYTES, "the demo")
    settings, jobs = settings or RiskDemoSettings(), usable_cores()
    manifest = write_risk_cohort(
        output / "phantom_cohort", design=settings.design, null=settings.null, jobs=jobs, progress=progress
    )
    converted = convert(
        manifest, output / "nnUNet_raw", dataset_id=settings.dataset_id, dataset_name=settings.dataset_name, jobs=jobs,
        progress=progress,
    )  # fmt: skip
    return run_risk_study(
        converted.dataset_folder, output / "risk", settings=settings.study, simulated_readers=True, device=device,
        jobs=jobs, progress=progress,
    )  # fmt: skip


@dataclass(frozen=True)
class FusionDemoSettings:
    """The phantom cohort of 20 diagnoses that the demo makes, and what is trained on it.

    With `shift` the levels of circulating tumour cells differ between the splits as in the paper.
    """

    # fewer pixels than the planner's: a third less to draw, and a network sees 32 x 32 of them
    design: CohortDesign = field(default_factory=lambda: replace(LESION_DESIGN, in_plane_pixels=112))
    shift: bool = False
    study: FusionSettings = field(
        default_factory=lambda: FusionSettings(models=(DMFN, REGNET, SHUFFLED), epochs=15, patience=15, pixels=32)
    )
    ctc_unit: str = "pg/ml"  # the paper's, from whose table the levels are drawn
    dataset_id: int = 713
    dataset_name: str = "AMTLesionPhantom"


def run_fusion_demo(
    output: Path, *, settings: FusionDemoSettings | None = None, device: str = "cpu", progress: Progress = silent
) -> LesionStudyResult:
    """Make a phantom cohort of 20 diagnoses and run the study of CT with circulating tumour cells on it.

    Run again, it goes on. The readers are simulated at the published AUCs, and the results say so.
    """
    require_free_space(output, NEEDED_BYTES, "the demo")
    _use_one_thread()
    settings, jobs = settings or FusionDemoSettings(), usable_cores()
    manifest = write_lesion_cohort(
        output / "phantom_cohort", design=settings.design, shift=settings.shift, jobs=jobs, progress=progress
    )
    converted = convert(
        manifest, output / "nnUNet_raw", dataset_id=settings.dataset_id, dataset_name=settings.dataset_name, jobs=jobs,
        progress=progress,
    )  # fmt: skip
    return run_lesion_study(
        converted.dataset_folder, FusionFolder.of_risk(output / "risk"), settings=(settings.study,),
        ctc_unit=settings.ctc_unit, simulated_readers=True, device=device, jobs=jobs, progress=progress,
    )  # fmt: skip


def _use_one_thread() -> None:
    """Let torch use one thread in this process: on images as small as the demos' a second one waits busily for it."""
    import torch

    torch.set_num_threads(1)
