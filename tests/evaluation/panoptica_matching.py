"""Count matches with panoptica; runs in an environment of its own, not under pytest.

``python panoptica_matching.py VOLUMES.npz`` takes arrays ``prediction_<i>`` and ``reference_<i>`` and prints JSON: for
each volume, matcher and threshold the true positives, false positives and false negatives.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
from panoptica import (  # type: ignore[import-not-found]  # it is in an environment of its own
    ConnectedComponentsInstanceApproximator,
    InputType,
    MaxBipartiteMatching,
    NaiveThresholdMatching,
    Panoptica_Evaluator,
)
from panoptica.metrics import Metric  # type: ignore[import-not-found]

MATCHERS = {"threshold": NaiveThresholdMatching, "bipartite": MaxBipartiteMatching}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints must not end up among the answers
    with np.load(sys.argv[1]) as arrays:
        thresholds = arrays["thresholds"].tolist()
        pairs = [
            (arrays[f"prediction_{i}"], arrays[f"reference_{i}"]) for i in range(sum("ref" in key for key in arrays))
        ]
    found: dict[str, list[list[list[int]]]] = {name: [[] for _ in pairs] for name in MATCHERS}
    for name, matcher in MATCHERS.items():
        for threshold in thresholds:
            evaluator = Panoptica_Evaluator(
                expected_input=InputType.SEMANTIC,
                instance_approximator=ConnectedComponentsInstanceApproximator(),
                instance_matcher=matcher(matching_metric=Metric.IOU, matching_threshold=threshold),
                instance_metrics=[Metric.IOU],
                global_metrics=[],
            )
            for i, (prediction, reference) in enumerate(pairs):
                result = evaluator.evaluate(prediction, reference, result_all=False, verbose=False)["ungrouped"]
                found[name][i].append([int(result.tp), int(result.fp), int(result.fn)])
    print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
