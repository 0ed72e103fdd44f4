"""Facts of a study as if it had been read, with figures that occur nowhere else."""

from __future__ import annotations

from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.results.summary_json import EvaluationSummary
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import (
    CaseMetricSummary,
    GroupSummary,
    LesionSummary,
    MetricSummary,
)
from nnunet_amt.study.facts import (
    DatasetFacts,
    EvaluationFacts,
    FailureFacts,
    ModelFacts,
    RunFacts,
    SetFacts,
    StudyFacts,
)


def group(cases: int, dice: float, interval: tuple[float, float] | None = (0.71, 0.79)) -> GroupSummary:
    """A group with one Dice for all voxel metrics, 90% sensitivity and half a false positive a scan."""
    sensitivity = MetricSummary(0.9, 0.01, (0.86, 0.94), 180)
    return GroupSummary(
        cases=cases,
        voxel={name: CaseMetricSummary(dice, 0.1, interval, cases, dice, dice, dice) for name in VOXEL_METRICS},
        lesion=LesionSummary(
            threshold=tuple(k / 20 for k in range(1, 20)),
            tp=(162,) * 19,
            fp=(80,) * 19,
            fn=(18,) * 19,
            sensitivity=(sensitivity,) * 19,
            fp_per_scan=(MetricSummary(0.5, 0.1, (0.4, 0.6), cases),) * 19,
            references=180,
        ),
    )


DATASET = DatasetFacts(
    name="Dataset711_AMT",
    converted_by="nnunet_amt 0.1.0",
    intensity_floor_hu=-1024,
    identified=711,
    excluded=23,
    excluded_by_reason={"motion": 17, "no CT": 6},
    sets={"training": SetFacts(470, 461, 14), "tuning": SetFacts(58, 58, 5), "external": SetFacts(160, 160, 119)},
    total=SetFacts(688, 679, 133),
    audited=True,
    shared_institutions=5,
    compared_voxels=688,
    cases=688,
    known={"age": 680, "sex": 688, "histology": 688, "manufacturer": 500, "slice_thickness_mm": 688},
    manufacturers={"Siemens": 300, "Canon Medical Systems": 200},
    slice_thickness_mm=(4.0, 7.0),
    coded=True,
    options_recorded=True,
    table_1=True,
    flow_figure=True,
)
MODEL = ModelFacts(
    trainer="nnUNetTrainerAMT",
    plans="nnUNetAMTPlans",
    configuration="3d_fullres",
    folds=("0",),
    network_class="nnunet_amt.trainers.unet.AMTUNet",
    features=(32, 64, 128, 256),
    spacing=(5.0, 0.74, 0.74),
    patch_size=(32, 192, 192),
    batch_size=3,
    intensities=(-1024.0, 3071.0),
    normalisation="CTNormalization",
    parameters=5_603_426,
    epochs=1000,
    steps_per_epoch=250,
    checkpoint="checkpoint_best.pth",
    checkpoint_sha256="ab" * 32,
    trained=True,
    same_split=True,
    pretrained=False,
    training_seconds=36_000.0,
    training_device="NVIDIA H200",
    usual_window=True,
)
EVALUATION = EvaluationFacts(
    summary=EvaluationSummary(
        EvaluationSettings(seed=42), group(160, 0.75), (("tumour_size", "small", group(11, 0.6, None)),)
    ),
    cases_by_set={"external": 160},
    institutions=119,
    without_tumour=0,
    version="0.1.0",
    missing_as_empty=False,
    institution_figure=True,
    plots=("FROC over the thresholds", "Dice by institution"),
)
STUDY = StudyFacts(
    dataset=DATASET,
    model=MODEL,
    evaluation=EVALUATION,
    failures=FailureFacts(16, 70, 89, 1, 3, ("volume",)),
    runs=RunFacts(
        stages=("convert", "plan", "train", "predict", "evaluate"),
        software={"nnunet_amt": ("0.1.0",), "torch": ("2.13.0",)},
        devices=("Linux, NVIDIA H200, 16 CPU cores (train, predict)",),
    ),
    subjects="patients",
)
