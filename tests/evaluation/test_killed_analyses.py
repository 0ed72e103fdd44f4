"""The further analyses are killed at many moments: their folders hold the old results or the new, never a mix."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES
from nnunet_amt.evaluation.failures import FAILURE_FILES
from nnunet_amt.evaluation.score_froc import SCORE_FROC_FILES
from tests.evaluation.builders import row_mask, write_pair

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


def results(output: Path, name: str) -> dict[str, bytes]:
    return {file: (output / file).read_bytes() for file in FILES[name] if not file.endswith((".png", ".svg"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_killed_at_any_moment(name: str, tmp_path: Path) -> None:
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
        versions.append(results(tmp_path / rule, name))
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
        assert results(output, name) in versions
    assert started(name, tmp_path, output, "unmatched").wait() == 0  # and clears up
    assert {path.name for path in output.iterdir()} == {*FILES[name], RECORD_FILE}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
