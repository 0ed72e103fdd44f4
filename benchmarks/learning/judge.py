"""Steps 4 and 5: predict the external cases with both, evaluate both, write the table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.learning.study import RECIPES, Recipe, Study
from benchmarks.learning.trainers import read_compute
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress
from nnunet_amt.evaluation import EvaluationResult, evaluate
from nnunet_amt.evaluation.summary.summary import MetricSummary
from nnunet_amt.models.folder import find_checkpoint
from nnunet_amt.nnunet.commands import predict_command
from nnunet_amt.nnunet.predictions import keep_finished_predictions, require_images
from nnunet_amt.nnunet.process import run_stock_command

__all__ = ["evaluate_both", "predict_both", "write_table"]

_THRESHOLDS = (0.1, 0.5)


def predict_both(study: Study, progress: Progress) -> None:
    """Predict the external cases: the best epoch without mirroring, and nnU-Net's last epoch with its mirroring."""
    for recipe in RECIPES:
        _predict(study, recipe, progress)


def _predict(study: Study, recipe: Recipe, progress: Progress) -> None:
    images, predictions = study.raw / "imagesTs", study.output / "predictions" / recipe.key
    checkpoint = find_checkpoint(study.fold(recipe), recipe.checkpoint)
    total = len(require_images(images))
    done = keep_finished_predictions(images, predictions, checkpoint)
    what = f"prediction by {recipe.title}"
    progress(done, total, what)
    if done == total:
        return
    command = predict_command(
        images.absolute(), predictions.absolute(), dataset_id=study.dataset_id, trainer=recipe.trainer,
        plans=recipe.plans, checkpoint=recipe.checkpoint, options=["--continue_prediction", "-npp", "1", "-nps", "1"],
        device=study.device,
    )  # fmt: skip

    def on_line(line: str) -> None:
        nonlocal done
        if line.startswith("done with "):
            done += 1
            progress(done, total, what)

    run_stock_command(
        command, study.environment(), on_line=on_line, log_file=study.output / f"{recipe.key}_predict.log"
    )


def evaluate_both(study: Study, jobs: int, progress: Progress) -> dict[str, EvaluationResult]:
    """Evaluate the predictions of both."""
    return {
        recipe.key: evaluate(
            study.output / "predictions" / recipe.key,
            study.raw / "labelsTs",
            study.output / "evaluation" / recipe.key,
            cohort=study.raw / "cohort.csv",
            jobs=jobs,
            progress=progress,
        )
        for recipe in RECIPES
    }


def write_table(study: Study, budget: dict[str, dict], results: dict[str, EvaluationResult]) -> str:
    """Write the comparison as Markdown and give it back."""
    rows = [["", *(recipe.title for recipe in RECIPES)], ["---", *["---:"] * len(RECIPES)]]
    for title, values in _training(study, budget).items():
        rows.append([title, *values])
    for title, metrics in _metrics([results[recipe.key] for recipe in RECIPES]).items():
        rows.append([title, *(_with_interval(metric) for metric in metrics)])
    cases = results[RECIPES[0].key].overall.cases
    where = "CPU, one thread each" if study.device == "cpu" else "GPU"
    text = "\n".join(
        [
            f"# Trained for the same compute time ({where}), tested on {cases} external phantoms",
            "",
            *("| " + " | ".join(row) + " |" for row in rows),
            "",
            "Means with percentile bootstrap 95% intervals over cases.",
            "",
        ]
    )
    write_text(study.output / "comparison.md", text)
    return text


def _training(study: Study, budget: dict[str, dict]) -> dict[str, list[str]]:
    """Say what each recipe did with its time."""
    rows: dict[str, list[str]] = {}
    for recipe in RECIPES:
        planned, spent = budget[recipe.key], read_compute(study.fold(recipe) / "compute.csv")
        seconds = spent[-1]["compute_seconds"]
        patch = " x ".join(str(edge) for edge in planned["patch_size"])
        for title, value in (
            ("parameters, million", f"{planned['parameters'] / 1e6:.1f}"),
            ("patch (z, y, x), batch", f"{patch}, {planned['batch_size']}"),
            ("seconds an iteration, calibrated", f"{planned['iteration_seconds']:.2f}"),
            ("iterations", str(len(spent) * planned["iterations_per_epoch"])),
            ("compute, minutes", f"{seconds / 60:.1f}"),
        ):
            rows.setdefault(title, []).append(value)
    return rows


def _metrics(results: Sequence[EvaluationResult]) -> dict[str, list[MetricSummary]]:
    rows: dict[str, list[MetricSummary]] = {
        "Dice": [result.overall.voxel["dice"] for result in results],
        "IoU": [result.overall.voxel["iou"] for result in results],
    }
    for threshold in _THRESHOLDS:
        lesions = [result.overall.lesion for result in results]
        place = [lesion.threshold.index(threshold) for lesion in lesions]
        rows[f"sensitivity at IoU {threshold}"] = [x.sensitivity[k] for x, k in zip(lesions, place, strict=True)]
        rows[f"FP/scan at IoU {threshold}"] = [x.fp_per_scan[k] for x, k in zip(lesions, place, strict=True)]
    return rows


def _with_interval(metric: MetricSummary) -> str:
    if metric.mean is None:
        return "undefined"
    interval = f" ({metric.ci95[0]:.3f} to {metric.ci95[1]:.3f})" if metric.ci95 else ""
    return f"{metric.mean:.3f}{interval}"
