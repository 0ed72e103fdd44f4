"""One run in a process of its own: train an arm for its compute time, predict the external cases, evaluate them.

python -m benchmarks.learning.one_run STUDY.json ARM SEED BUDGET
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.optimizer.nnUNetTrainerAdam import nnUNetTrainerAdam

from benchmarks.learning import left_out
from benchmarks.learning.arms import Arm, Run, Study, arm_of, read_study
from benchmarks.learning.training import compute_clock, nnunets_predictor, set_seed, train_for
from nnunet_amt.base.files import read_rows, write_json
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.measure.case import count_masks
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.image_file import read_ct_file
from nnunet_amt.images.mask_file import read_foreground
from nnunet_amt.images.mediastinum import RegionOfArrays
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.models.plans import CONFIGURATION
from nnunet_amt.nnunet.loaded_model import LoadedModel
from nnunet_amt.nnunet.network_grid import NetworkGrid
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from nnunet_amt.trainers.nnUNetTrainerAMTFast import nnUNetTrainerAMTFast

_LESS = (
    left_out.FastWithoutCrossEntropy, left_out.FastAtThePapersRate, left_out.FastWithoutIntensities,
    left_out.FastWithThePapersNetwork,
)  # fmt: skip
_TRAINERS = {
    kind.__name__: kind for kind in (nnUNetTrainerAMT, nnUNetTrainerAMTFast, nnUNetTrainer, nnUNetTrainerAdam, *_LESS)
}

_COUNTED = ("case_id", "dice", "reference_lesions", "lesion_tp_0.1", "lesion_fp_0.1")
Predict = Callable[[Path, Path], None]


def main() -> None:
    """Do what the command line asks for."""
    file, key, seed, budget = sys.argv[1:]
    study, arm = read_study(Path(file)), arm_of(key)
    run = Run(key, int(seed), int(budget))
    if study.device == "cpu":
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    study.set_environment(arm)
    set_seed(run.seed)
    trainer = _trainer(study, arm)
    trained = train_for(
        trainer, study.seconds * run.budget, evaluations=evaluations_of(run.budget), device=study.device
    )
    record = {
        "arm": arm.key, "seed": run.seed, "budget": run.budget, "seconds": trained.seconds,
        "iterations": trained.iterations, "curve": [asdict(point) for point in trained.curve],
        "losses": trained.losses,
        "parameters": sum(weight.numel() for weight in trainer.network.parameters()),
        "patch_size": list(trainer.configuration_manager.patch_size), "batch_size": trainer.batch_size,
        "cases": {},
    }  # fmt: skip
    same = trained.best.keys() == trained.last.keys() and all(
        torch.equal(trained.best[name], trained.last[name]) for name in trained.last
    )
    for which in ("best",) if same else ("best", "last"):
        trainer.network.load_state_dict(getattr(trained, which))
        predict = _predictor(trainer, mirroring=arm.mirroring)
        record[f"seconds_a_ct_{which}"], record["cases"][which] = _judge(study, run, predict, which)
        if which == "best":
            record["without_tumours"] = _found_without_tumours(study, run, predict)
    if same:
        record["cases"]["last"] = record["cases"]["best"]
    write_json(study.folder(run) / "run.json", record)


def evaluations_of(budget: int) -> int:
    """Say how often the tuning set is evaluated, in all arms alike: it would take half of the smallest budget."""
    return 0 if budget < 3 else 2 if budget < 9 else 3


def _trainer(study: Study, arm: Arm) -> nnUNetTrainer:
    folder = study.preprocessed(arm)
    plans, description = (json.loads((folder / name).read_text()) for name in (f"{arm.plans}.json", "dataset.json"))
    plans["continue_training"] = False  # a word that nnU-Net passes on with the plans
    kind = _TRAINERS[arm.trainer]
    if issubclass(kind, nnUNetTrainerAMTFast):
        plans["mediastinal_region"] = _region(study) if arm.region else None
    trainer: nnUNetTrainer = kind(plans, CONFIGURATION, 0, description, torch.device(study.device))
    return trainer


def _region(study: Study) -> Any:
    """Give the part of the chest that the fast recipe has learnt at planning."""
    fast = arm_of("fast")
    return json.loads((study.preprocessed(fast) / f"{fast.plans}.json").read_text())["mediastinal_region"]


def _predictor(trainer: nnUNetTrainer, *, mirroring: bool) -> Predict:
    """Give what makes a label map of the file of a CT, with the network as it is now."""
    trainer.network.eval()
    trainer.set_deep_supervision_enabled(False)
    return _ours(trainer) if isinstance(trainer, nnUNetTrainerAMT) else _nnunets(trainer, mirroring=mirroring)


def _judge(study: Study, run: Run, predict: Predict, which: str) -> tuple[float, list[dict[str, Any]]]:
    """Predict and evaluate the external cases; give the compute seconds of a CT, and what was counted of each."""
    images = sorted((study.raw / "imagesTs").glob("*_0000.nii.gz"))
    output = study.folder(run) / which
    output.mkdir(parents=True, exist_ok=True)
    clock = compute_clock(study.device)
    started = clock()
    for path in images:
        predict(path, output / path.name.replace("_0000", ""))
    seconds = (clock() - started) / len(images)
    evaluated = study.folder(run) / f"evaluation_{which}"
    evaluate(output, study.raw / "labelsTs", evaluated, cohort=study.raw / "cohort.csv", figures=False)
    return seconds, [{name: row[name] for name in _COUNTED} for row in read_rows(evaluated / "cases.csv")]


def _found_without_tumours(study: Study, run: Run, predict: Predict) -> list[dict[str, str]]:
    """Count what is found in the external patients without their tumours, as the evaluation counts lesions."""
    output = study.folder(run) / "without_tumours"
    output.mkdir(parents=True, exist_ok=True)
    counted = []
    for path in sorted(study.without_tumours.glob("*.nii.gz")):
        predict(path, output / path.name)
        case_id, settings = path.name.partition(".")[0], EvaluationSettings()
        found = read_foreground(output / path.name, case_id=case_id, foreground=settings.foreground)
        nothing = Foreground((), found.spacing)
        counts = count_masks(case_id, found, nothing, settings=settings)
        row = (case_id, "", "0", "0", str(len(counts.prediction_voxels)))
        counted.append(dict(zip(_COUNTED, row, strict=True)))
    return counted


def _ours(trainer: nnUNetTrainerAMT) -> Predict:
    plans = trainer.plans_manager.plans
    model = LoadedModel(
        network=trainer.network, device=trainer.device, parameters=0, grid=NetworkGrid.of_plans(plans),
        patch=tuple(trainer.configuration_manager.patch_size), region=RegionOfArrays.of_plans(plans, CONFIGURATION),
    )  # fmt: skip

    def predict(path: Path, target: Path) -> None:
        values, file = read_ct_file(path)
        labels = model.predict(values, file.geometry.spacing[::-1]).labels
        write_nifti(target, labels, geometry=file.stored)

    return predict


def _nnunets(trainer: nnUNetTrainer, *, mirroring: bool) -> Predict:
    predictor = nnunets_predictor(trainer, mirroring=mirroring)
    reader = trainer.plans_manager.image_reader_writer_class()

    def predict(path: Path, target: Path) -> None:
        image, properties = reader.read_images([str(path)])
        predictor.predict_single_npy_array(image, properties, None, str(target).removesuffix(".nii.gz"), False)

    return predict


if __name__ == "__main__":
    main()
