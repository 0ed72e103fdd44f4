"""Time panoptica pair by pair; runs in an environment of its own and talks JSON lines.

Each line of the standard input is ``[prediction, reference]``, each line of the standard output
``{"evaluate_ms": ..., "sweep_ms": ..., "dice": ..., "tp_05": ...}``. The first output line is panoptica's version.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from time import perf_counter
from typing import Any

import SimpleITK as sitk
from panoptica import (  # type: ignore[import-not-found]  # it is in an environment of its own
    ConnectedComponentsInstanceApproximator,
    InputType,
    NaiveThresholdMatching,
    Panoptica_Evaluator,
)
from panoptica.metrics import Metric  # type: ignore[import-not-found]

# An evaluator for overlaps only: its default also measures surface distances, which the others do not.
EVALUATOR = Panoptica_Evaluator(
    expected_input=InputType.SEMANTIC,
    instance_approximator=ConnectedComponentsInstanceApproximator(),
    instance_matcher=NaiveThresholdMatching(matching_metric=Metric.IOU, matching_threshold=0.5),
    instance_metrics=[Metric.DSC, Metric.IOU],
    global_metrics=[Metric.DSC],
)


def measure(prediction: str, reference: str) -> dict[str, Any]:
    start = perf_counter()
    result = EVALUATOR.evaluate(*_read(prediction, reference), result_all=False, verbose=False)["ungrouped"]
    evaluated = perf_counter()
    EVALUATOR.evaluate_autc(*_read(prediction, reference), threshold_step_size=0.05, result_all=False, verbose=False)
    return {
        "evaluate_ms": 1000 * (evaluated - start),
        "sweep_ms": 1000 * (perf_counter() - evaluated),
        "dice": float(result.global_bin_dsc),
        "tp_05": int(result.tp),
    }


def _read(prediction: str, reference: str) -> tuple[Any, Any]:
    return tuple(sitk.GetArrayFromImage(sitk.ReadImage(path)) for path in (prediction, reference))  # type: ignore[return-value]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints must not end up among the answers
    print(json.dumps(version("panoptica")), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(*json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
