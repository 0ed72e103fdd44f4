"""The stages of a study: one list that ``nnunet_amt study`` and the demo run, and ``--status`` reads."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.progress import Progress
from nnunet_amt.base.run_record import RunInput, input_path, newest_run
from nnunet_amt.errors import BadInputError, TooFewCasesError, WorkFailedError
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.probability_file import FOLDER as PROBABILITIES
from nnunet_amt.models.plans import CONFIGURATION, PAPER, recipe_of
from nnunet_amt.study.settings import StudyFolders, StudySettings, manifest_path
from nnunet_amt.study.stage import Stage, stale_reason
from nnunet_amt.study.study_files import risk_files

if TYPE_CHECKING:
    from nnunet_amt.dataset_conversion import ConversionSettings
    from nnunet_amt.images.image_file import ReadingOptions

# The fields of `nnunet_amt.images.image_file.ReadingOptions`
_READING = {"resample_masks", "resample_tilt", "keep_intensities", "interpolate_contours", "trust_geometry"}

# Of a study: results of its other models, a folder a trainer.
OTHER_MODELS = "models"

# Stages are imported by the function that runs them: torch takes seconds, and --status should not.


def study_stages(folder: Path, settings: StudySettings, *, device: str, jobs: int) -> tuple[Stage, ...]:
    """List the stages of a study in the order in which they run; `device` is as nnU-Net is told."""
    at = StudyFolders.of(folder, settings)
    stages = [
        _convert(at, settings, jobs),
        _plan(at, settings, jobs),
        _doctor(settings),
        _train(at, settings, device),
        _predict(at, settings, device),
        _evaluate(at, settings, jobs),
        _failures(at, settings, jobs),
    ]
    if settings.baseline.run:
        stages.append(_baseline(at, settings, device, jobs))
    return (*stages, _report(at, settings))


def reading_options(settings: StudySettings) -> ReadingOptions:
    """Give what the conversion of a study may resample, or take in spite of doubts."""
    from nnunet_amt.images.image_file import ReadingOptions

    return ReadingOptions(**settings.convert.model_dump(include=_READING))


def conversion_settings(folder: Path, settings: StudySettings) -> ConversionSettings:
    """Give the settings by which the cohort of a study is converted."""
    from nnunet_amt.dataset_conversion import ConversionSettings

    chosen = settings.convert

    def beside(name: str | None) -> Path | None:
        return None if name is None else folder / name

    return ConversionSettings(
        seed=chosen.seed,
        external_cases=chosen.external_cases,
        tuning_cases=chosen.tuning_cases,
        external_institutions=beside(chosen.external_institutions),
        reading=reading_options(settings),
        exclude_unreadable=chosen.exclude_unreadable,
        key_file=beside(chosen.key_file),
        keep_case_ids=chosen.keep_case_ids,
        p_values=chosen.table1_p_values,
    )


def other_model_stages(
    folder: Path, settings: StudySettings, *, trainer: str, device: str, jobs: int
) -> tuple[Stage, ...]:
    """List the stages that predict and evaluate the external cases by another trained model of a study.

    They are those of `study_stages`, and write into ``models/TRAINER``: the study's own results stay as they are.
    """
    changed = settings.changed({"train": {"trainer": trainer}})
    place = folder / OTHER_MODELS / trainer
    at = replace(StudyFolders.of(folder, changed), predictions=place / "predictions", evaluation=place / "evaluation")
    return _predict(at, changed, device), _evaluate(at, changed, jobs)


def _convert(at: StudyFolders, settings: StudySettings, jobs: int) -> Stage:
    manifest, chosen = manifest_path(at.folder, settings), settings.convert

    def run(progress: Progress) -> str:
        from nnunet_amt.dataset_conversion import convert

        summary = convert(
            manifest,
            at.raw.parent,
            dataset_id=settings.study.dataset,
            dataset_name=settings.study.name,
            settings=conversion_settings(at.folder, settings),
            jobs=jobs,
            progress=progress,
        )
        cases = ", ".join(f"{split.cases} {split.split}" for split in summary.audit.splits)
        without = f", {summary.audit.without_tumour} of them without a tumour" if summary.audit.without_tumour else ""
        return f"{cases} cases{without}; {sum(summary.excluded.values())} excluded"

    return Stage(
        name="convert",
        purpose="the cohort to nnU-Net's raw format, with the institutional split and its audit",
        record=at.raw,
        reads={"manifest": manifest},
        settings={
            **chosen.model_dump(include={"external_cases", "tuning_cases", "exclude_unreadable", "keep_case_ids"}),
            "p_values": chosen.table1_p_values,
            "reading": chosen.model_dump(include=_READING),
        },
        run=run,
        looks_itself=True,  # at the files that the manifest names
    )


def _plan(at: StudyFolders, settings: StudySettings, jobs: int) -> Stage:
    asked = settings.plan.model_dump()
    recipe = recipe_of(settings.train.trainer)

    def run(progress: Progress) -> str:
        from nnunet_amt.nnunet.planning import plan

        summary = plan(settings.study.dataset, recipe=recipe.key, **asked, jobs=jobs, progress=progress)
        planned = (" x ".join(f"{edge:g}" for edge in edges) for edges in (summary.spacing, summary.patch_size))
        return "spacing {} mm, patch {} voxels (z, y, x)".format(*planned)

    return Stage(
        name="plan",
        purpose="the dataset's fingerprint, the pinned plans, the preprocessed arrays",
        record=at.preprocessed,
        reads={"dataset": RunInput(at.raw, "names_and_sizes")},
        settings={"recipe": None if recipe == PAPER else recipe.key, **asked},  # its record names the paper's by none
        run=run,
    )


def _doctor(settings: StudySettings) -> Stage:
    def run(progress: Progress) -> str:
        from nnunet_amt.nnunet.doctor import examine

        found = list(examine(settings.study.dataset, progress=progress))
        problems = [finding for finding in found if finding.verdict == "problem"]
        if problems:
            first = problems[0]
            advice = f"; {first.advice}" if first.advice else ""
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise WorkFailedError(f"doctor: {first.check}: {first.seen}{advice}{more}")
        return "no problem found"

    return Stage(
        name="doctor",
        purpose="what usually goes wrong, looked for before the training",
        record=None,
        reads={},
        settings={},
        run=run,
        needed_until="train",
    )


def _train(at: StudyFolders, settings: StudySettings, device: str) -> Stage:
    chosen = settings.train
    recipe = recipe_of(chosen.trainer)

    def run(progress: Progress) -> str:
        from nnunet_amt.nnunet.train import train

        trained = train(
            settings.study.dataset,
            fold=chosen.fold,
            trainer=chosen.trainer,
            options=["--val_best", *chosen.options],  # the model that is selected is the one that is validated
            seed=chosen.seed,
            device=device,
            log_file=at.folder / "train.log",
            progress=progress,
        )
        if trained.was_finished and (reason := stale_reason(stage)) is not None:
            raise BadInputError(
                f"{at.fold_folder}: this training is finished, but not of what is asked for now ({reason}); "
                "move the folder away to train anew, or take the old settings and data again"
            )
        return ""

    stage = Stage(
        name="train",
        purpose=f"nnUNetv2_train with {recipe.whose} recipe",
        record=at.fold_folder,
        reads={
            "arrays": RunInput(at.preprocessed / f"{recipe.plans}_{CONFIGURATION}", "names_and_sizes"),
            "plans": at.preprocessed / f"{recipe.plans}.json",
            "splits": at.preprocessed / "splits_final.json",
        },
        settings={
            "trainer": chosen.trainer,
            "fold": chosen.fold,
            **({} if chosen.seed is None else {"seed": chosen.seed}),
        },
        run=run,
    )
    return stage


def _predict(at: StudyFolders, settings: StudySettings, device: str) -> Stage:
    chosen, images = settings.predict, at.raw / "imagesTs"
    everywhere = recipe_of(settings.train.trainer) == PAPER
    how = "as nnUNetv2_predict does it" if everywhere else "the network asked between the lungs where it sees them"

    def run(progress: Progress) -> str:
        from nnunet_amt.nnunet.predict import PredictionSettings, predict

        asked = PredictionSettings(
            dataset_id=settings.study.dataset,
            fold=settings.train.fold,
            trainer=settings.train.trainer,
            checkpoint=chosen.checkpoint,
            options=chosen.options,
            probabilities=chosen.probabilities,
            device=device,
        )
        predict(images, at.predictions, asked, log_file=at.folder / "predict.log", progress=progress)
        return ""

    return Stage(
        name="predict",
        purpose=f"prediction of the external test set, {how}",
        record=at.predictions,
        reads={"images": RunInput(images, "names_and_sizes"), "checkpoint": at.fold_folder / chosen.checkpoint},
        settings={
            "trainer": settings.train.trainer,
            "fold": settings.train.fold,
            "checkpoint": chosen.checkpoint,
            "operating_point": None,  # the argmax: label maps of a point are made in a folder of their own
            **({"probabilities": True} if chosen.probabilities else {}),  # kept ones disturb nobody who did not ask
        },
        run=run,
    )


def _evaluate(at: StudyFolders, settings: StudySettings, jobs: int) -> Stage:
    chosen, references, cohort = settings.evaluate, at.raw / "labelsTs", at.raw / "cohort.csv"
    evaluation = EvaluationSettings(
        surface_distances=chosen.surface_distances,
        seed=chosen.seed,
        cluster=chosen.cluster,
        ci_always=chosen.ci_always,
        subgroup_columns=chosen.subgroups,
        **_counting(settings),
    )

    def run(progress: Progress) -> str:
        from nnunet_amt.evaluation import evaluate

        evaluate(
            at.predictions,
            references,
            at.evaluation,
            cohort=cohort,
            settings=evaluation,
            component_analysis=chosen.components,
            jobs=jobs,
            progress=progress,
        )
        return ""

    return Stage(
        name="evaluate",
        purpose="voxel metrics, lesion matching, the FROC, tables in the form of the paper's 3 and 4",
        record=at.evaluation,
        reads={"predictions": at.predictions, "references": references, "cohort": cohort},
        settings={**asdict(evaluation), "operating_point": None},
        run=run,
    )


def _counting(settings: StudySettings) -> dict[str, Any]:
    """Give what decides how lesions of single cases are counted: all of an evaluation that concerns its failures."""
    return settings.evaluate.model_dump(include={"connectivity", "minimum_predicted_voxels", "false_positive_rule"})


def _failures(at: StudyFolders, settings: StudySettings, jobs: int) -> Stage:
    references, images = at.raw / "labelsTs", at.raw / "imagesTs"
    counted = EvaluationSettings(**_counting(settings), cluster=settings.evaluate.cluster)
    cohort = None if counted.cluster == "case" else at.raw / "cohort.csv"

    def run(progress: Progress) -> str:
        from nnunet_amt.evaluation.failures import analyse_failures

        try:
            analyse_failures(
                at.predictions, references, at.failures,
                images=images, cohort=cohort, settings=counted, jobs=jobs, progress=progress,
            )  # fmt: skip
        except TooFewCasesError as error:  # the page needs no failures
            return f"left out: {error}"
        return ""

    return Stage(
        name="failures",
        purpose="the worst segmented tenth against the best, and how each case fails",
        record=at.failures,
        reads={
            "predictions": at.predictions,
            "references": references,
            "images": RunInput(images, "names_and_sizes"),
            **({} if cohort is None else {"cohort": cohort}),
        },
        settings=asdict(counted),
        run=run,
    )


def _baseline(at: StudyFolders, settings: StudySettings, device: str, jobs: int) -> Stage:
    chosen = settings.baseline

    def run(progress: Progress) -> str:
        from nnunet_amt.baseline import BaselineSettings, compare_with_ours, run_baseline, stock_models

        asked = BaselineSettings(
            settings.study.dataset,
            at.baseline,
            models=stock_models(chosen.models),
            trainer=chosen.trainer,
            device=device,
            fold=settings.train.fold,
            jobs=jobs,
        )
        run_baseline(
            asked,
            log_file=at.folder / "baseline.log",
            progress=progress,
            show=lambda command: progress(0, 1, f"baseline: {command.partition(' ')[0]}"),
        )
        compared = compare_with_ours(asked, at.evaluation, progress=progress)
        return " ".join(filter(None, [*compared.sentences, asked.caveat()]))

    return Stage(
        name="baseline",
        purpose="stock nnU-Net on the same split, compared with ours",
        record=at.baseline,
        reads={"splits": at.raw / "splits_final.json"},
        settings={"trainer": chosen.trainer, "fold": settings.train.fold},
        run=run,
    )


def _report(at: StudyFolders, settings: StudySettings) -> Stage:
    chosen = settings.report.model_dump()
    made = newest_run(at.folder, "report")
    kept = RunInput(at.predictions / PROBABILITIES, "names_and_sizes")

    def last_read(name: str, usual: Path) -> Path:
        """Follow the last page: the user may have other results in the study than its stages make."""
        return (made and input_path(at.folder, made, name)) or usual

    def run(progress: Progress) -> str:
        from nnunet_amt.report import write_report

        page = write_report(at.folder, at.page, evaluation=at.evaluation, progress=progress, **chosen)
        return page.worst

    return Stage(
        name="report",
        purpose="all of it on one page that opens offline",
        record=at.folder,
        reads={
            "evaluation": at.evaluation / "summary.json",
            "failures": last_read("failures", at.failures / "failures.json"),
            "comparison": last_read("comparison", at.baseline / "comparison" / "comparison.json"),
            **({"probabilities": kept} if settings.predict.probabilities else {}),
            **risk_files(at.folder),
        },
        settings=chosen,
        run=run,
    )
