"""Runs that are killed leave one version of their results whole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES
from nnunet_amt.evaluation.failures import FAILURE_FILES
from nnunet_amt.evaluation.score_froc import SCORE_FROC_FILES
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


def evaluation_results(output: Path) -> dict[str, bytes]:
    return {name: (output / name).read_bytes() for name in NAMES}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_an_evaluation_killed_at_any_moment(tmp_path: Path) -> None:
    for number in range(3):
        write_pair(tmp_path, f"case_{number}", row_mask(60, (0, 12 + number)), row_mask(60, (0, 20)))
    folders = tmp_path / "predictions", tmp_path / "references"
    versions = []
    for seed in (1, 2, 3):
        settings = EvaluationSettings(bootstrap_resamples=20, seed=seed)
        evaluate(*folders, tmp_path / f"seed_{seed}", settings=settings)
        versions.append(evaluation_results(tmp_path / f"seed_{seed}"))
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
        assert evaluation_results(output) in versions
    evaluate(*folders, output, settings=EvaluationSettings(bootstrap_resamples=20, seed=1))  # and clears up
    assert names_in(output) == names_in(tmp_path / "seed_1")  # of an evaluation that nobody killed
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


ANALYSE = """
import sys
from pathlib import Path
from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.component_analysis import analyse_components
from nnunet_amt.evaluation.failures import analyse_failures
from nnunet_amt.evaluation.score_froc import analyse_scores
name, predictions, references, output, *rules = sys.argv[1:]
folders = Path(predictions), Path(references), Path(output)
analyse = {"failures": analyse_failures, "score-froc": analyse_scores, "components": analyse_components}[name]
print("ready", flush=True)
for rule in rules:
    analyse(*folders, settings=EvaluationSettings(false_positive_rule=rule))
"""
FILES = {"failures": FAILURE_FILES, "score-froc": SCORE_FROC_FILES, "components": COMPONENT_FILES}
DELAYS = (0.0, 0.2, 0.6, 1.2)


def started(name: str, folder: Path, output: Path, *rules: str) -> subprocess.Popen[bytes]:
    folders = map(str, (folder / "predictions", folder / "references", output))
    return subprocess.Popen([sys.executable, "-c", ANALYSE, name, *folders, *rules], stdout=subprocess.PIPE)


def analysis_results(output: Path, name: str) -> dict[str, bytes]:
    return {file: (output / file).read_bytes() for file in FILES[name] if not file.endswith((".png", ".svg"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_an_analysis_killed_at_any_moment(name: str, tmp_path: Path) -> None:
    """One prediction overlaps its reference too little for a match: by one rule it is false, by the other not."""
    for number in range(3):
        # 12 of 212 voxels are shared, an IoU of 0.06; and a lesion that is found
        write_pair(
            tmp_path,
            f"case_{number}",
            row_mask(400, (188, 300), (320, 340 - number)),
            row_mask(400, (100, 200), (320, 340)),
        )
        tumour = np.full((1, 1, 400), 0.9, np.float32)
        np.savez(tmp_path / "predictions" / f"case_{number}.npz", probabilities=np.stack([1 - tumour, tumour]))
    versions = []
    for rule in ("unmatched", "no_overlap"):
        assert started(name, tmp_path, tmp_path / rule, rule).wait() == 0
        versions.append(analysis_results(tmp_path / rule, name))
    assert all(versions[0][file] != versions[1][file] for file in versions[0] if file.endswith((".md", ".json")))
    output = tmp_path / "out"
    assert started(name, tmp_path, output, "unmatched").wait() == 0

    for delay in DELAYS:
        process = started(name, tmp_path, output, "no_overlap", "unmatched")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert analysis_results(output, name) in versions
    assert started(name, tmp_path, output, "unmatched").wait() == 0  # and clears up
    assert {path.name for path in output.iterdir()} == {*FILES[name], RECORD_FILE}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
