"""A trained model and its prediction in a study, as far as their records and nnU-Net's files tell of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_amt.base.files import write_json
from nnunet_amt.base.run_record import RECORD_FILE, file_sha256

MODEL = "nnUNet_results/Dataset711_AMT/nnUNetTrainerAMT_5epochs__nnUNetAMTPlans__3d_fullres"
LOG = """2026-11-21 12:00:00.0: Epoch 0
2026-11-21 12:00:01.0: Epoch time: 1.00 s
2026-11-21 12:00:01.0: Epoch 1
2026-11-21 12:00:02.0: Epoch time: 1.00 s
2026-11-21 12:00:02.0: Epoch 2
"""


def write_model(
    study: Path, train: str = "nnunet_amt train 711", predict: str = "nnunet_amt predict 711 --output predictions"
) -> Path:
    """A model of two finished epochs, and the records of its training and its prediction.

    Where the dataset has a split, the training is recorded to have read that very file.
    """
    model = study / MODEL
    fold = model / "fold_0"
    fold.mkdir(parents=True)
    (fold / "training_log_2026.txt").write_text(LOG)
    write_json(fold / "debug.json", {"num_iterations_per_epoch": "50"})  # nnU-Net writes all of it as text
    (fold / "checkpoint_best.pth").write_bytes(b"weights")
    channel = {"mean": -1000.0, "std": 4000.0, "percentile_00_5": -1000.0, "percentile_99_5": 3000.0}
    configuration = {
        "spacing": [5.0, 0.8, 0.8],
        "patch_size": [32, 64, 64],
        "batch_size": 3,
        "normalization_schemes": ["CTNormalization"],
        "architecture": {"network_class_name": "AMTUNet", "arch_kwargs": {"features_per_level": [32, 64]}},
    }
    plans = {
        "plans_name": "nnUNetAMTPlans",
        "configurations": {"3d_fullres": configuration},
        "foreground_intensity_properties_per_channel": {"0": channel},
    }
    write_json(model / "plans.json", plans)
    found = next(study.glob("nnUNet_raw/*/splits_final.json"), None)
    splits = {} if found is None else {"splits": {"sha256": file_sha256(found)}}
    trained = recorded("train", "2026-11-20", seconds=30.0, software={"torch": "2.13.0"}, command=train, inputs=splits)
    trained["machine"] = {"system": "Linux", "cores": 2, "device": "cuda", "gpu": "GPU X"}
    write_runs(fold, trained)
    inputs = {
        "model": {"path": f"../{MODEL}"},
        "checkpoint": {"path": f"../{MODEL}/fold_0/checkpoint_best.pth", "sha256": "c0" * 32},
    }
    predicted = recorded("predict", "2026-11-21", inputs=inputs, software={"torch": "2.14.0"}, command=predict)
    write_runs(study / "predictions", predicted | {"cost": {"parameters": 1234}})
    return model


def recorded(stage: str, day: str, **more: Any) -> dict[str, Any]:
    empty: dict[str, dict[str, Any]] = {
        name: {} for name in ("software", "machine", "settings", "inputs", "outputs", "counts", "cost")
    }
    return (
        {"stage": stage, "command": "", "started": f"{day}T12:00:00+00:00", "seconds": 1.0, "seed": None} | empty | more
    )


def write_runs(folder: Path, *runs: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RECORD_FILE, {"schema_version": 1, "runs": list(runs)})
