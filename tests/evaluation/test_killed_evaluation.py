"""`nnunet_amt evaluate` is killed at many moments: its folder holds the old results or the new, never a mix."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_amt.evaluation import EvaluationSettings, evaluate
from tests.evaluation.builders import row_mask, write_pair

EVALUATE = """
import sys
from pathlib import Path
from nnunet_amt.evaluation import EvaluationSettings, evaluate
predictions, references, output = map(Path, sys.argv[1:4])
print("ready", flush=True)
for seed in (2, 3):
    evaluate(predictions, references, output, settings=EvaluationSettings(bootstrap_resamples=20, seed=seed))
"""
NAMES = ("cases.csv", "lesions.csv", "froc.csv", "summary.json")  # a figure may hold the hour


def results(output: Path) -> dict[str, bytes]:
    return {name: (output / name).read_bytes() for name in NAMES}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    for number in range(3):
        write_pair(tmp_path, f"case_{number}", row_mask(60, (0, 12 + number)), row_mask(60, (0, 20)))
    folders = tmp_path / "predictions", tmp_path / "references"
    versions = []
    for seed in (1, 2, 3):
        settings = EvaluationSettings(bootstrap_resamples=20, seed=seed)
        evaluate(*folders, tmp_path / f"seed_{seed}", settings=settings)
        versions.append(results(tmp_path / f"seed_{seed}"))
    output = tmp_path / "out"
    evaluate(*folders, output, settings=EvaluationSettings(bootstrap_resamples=20, seed=1))

    for moment in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", EVALUATE, *map(str, (*folders, output))], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15 * moment)
        process.kill()
        process.communicate()
        assert results(output) in versions
    evaluate(*folders, output, settings=EvaluationSettings(bootstrap_resamples=20, seed=1))  # and clears up
    assert names_in(output) == names_in(tmp_path / "seed_1")  # of an evaluation that nobody killed
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
