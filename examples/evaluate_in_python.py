"""The library without the command line: a cohort is made, converted and evaluated, and one table printed.

In place of a model, the reference masks are moved by a voxel; put your own label maps, of the same names, into
`predictions`. Run it from the root of the repository, in less than a minute on two cores:

    .venv/bin/python examples/evaluate_in_python.py example
"""

from __future__ import annotations

import sys
from pathlib import Path

import SimpleITK as sitk

from nnunet_amt.dataset_conversion import convert
from nnunet_amt.evaluation import EvaluationResult, EvaluationSettings, GroupSummary, evaluate, threshold_index
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort


def main(folder: Path) -> EvaluationResult:
    # 1. A cohort: CTs, masks and the manifest that lists them. Yours is a CSV with the same columns.
    design = CohortDesign(
        training=1, tuning=1, external=4, development_institutions=1, external_institutions=2, in_plane_pixels=64
    )
    manifest = write_phantom_cohort(folder / "cohort", design=design)

    # 2. nnU-Net's raw dataset, split so that no institution of the external test set gave a case to the others.
    dataset = convert(manifest, folder / "nnUNet_raw", dataset_id=711, dataset_name="Example").dataset_folder

    # 3. One label map a case, on the grid of its CT: what nnUNetv2_predict would write.
    predictions = folder / "predictions"
    predictions.mkdir(exist_ok=True)
    for reference in sorted((dataset / "labelsTs").glob("*.nii.gz")):
        moved = sitk.CyclicShift(sitk.ReadImage(str(reference)), (1, 1, 0))  # voxels in x, y, z
        sitk.WriteImage(moved, str(predictions / reference.name))

    # 4. The evaluation; its tables, figures and counts of every case are in `evaluation`.
    result = evaluate(
        predictions,
        dataset / "labelsTs",
        folder / "evaluation",
        cohort=dataset / "cohort.csv",
        settings=EvaluationSettings(bootstrap_resamples=1000, ci_always=True),
    )
    show(result)
    return result


def show(result: EvaluationResult) -> None:
    print(f"{'':36} cases  Dice (95% CI)     sensitivity  FP per scan  (IoU above 0.5)")
    print(line("all", result.overall))
    for group, subgroup, summary in result.subgroups:
        print(line(f"{group.replace('_', ' ')}: {subgroup}", summary))


def line(title: str, summary: GroupSummary) -> str:
    dice, at = summary.voxel["dice"], threshold_index(0.5)
    interval = "" if dice.ci95 is None else f"({dice.ci95[0]:.2f}–{dice.ci95[1]:.2f})"
    found, false = summary.lesion.sensitivity[at].mean, summary.lesion.fp_per_scan[at].mean
    return f"{title:36} {summary.cases:5}  {dice.mean:.2f} {interval:11}  {found:11.2f}  {false:11.2f}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    main(Path(sys.argv[1]))
