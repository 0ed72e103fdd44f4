"""The commands failures, score-froc and components, and how evaluate and failures find what a dataset has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nnunet_amt.base.run_record import input_path, read_runs
from nnunet_amt.cli.commands import app
from tests.evaluation.builders import row_mask, write_label_map, write_pair

pytestmark = pytest.mark.usefixtures("undrawn")
runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for case_id, stop in (("a", 12), ("b", 20)):
        write_pair(tmp_path, case_id, row_mask(60, (0, stop)), row_mask(60, (0, 20)))
        tumour = np.full((1, 1, 60), 0.9, np.float32)
        np.savez(tmp_path / "predictions" / f"{case_id}.npz", probabilities=np.stack([1 - tumour, tumour]))
    return tmp_path


def invoke(folder: Path, command: str, *options: str) -> str:
    arguments = [command, str(folder / "predictions"), str(folder / "references"), "-o", str(folder / "out"), *options]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_failures(folder: Path) -> None:
    shown = invoke(folder, "failures")
    assert "1 case of lowest against 1 case of highest Dice" in shown
    assert "failures.md" in shown


def test_score_froc_takes_the_probabilities_beside_the_predictions(folder: Path) -> None:
    shown = invoke(folder, "score-froc")
    assert "CPM of the mean probability: 1.00" in shown
    assert "CPM of the max probability: 1.00" in shown


def test_components_takes_sizes_several_times(folder: Path) -> None:
    invoke(folder, "components", "--minimum-voxels", "0", "--minimum-voxels", "15", "--minimum-mm3", "50")
    text = (folder / "out" / "component_analysis.md").read_text()
    assert text.count("| 26 |") == 3
    assert "| 26 | 15 voxels | 2 | 1 | 1 | 0.500 (0.095–0.905) |" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["failures", "--connectivity", "7"], "error: --connectivity 7: must be one of 6, 18, 26"),
        (
            ["failures", "--images", "nowhere"],
            "error: nowhere: no such folder; give the folder of <case id>_0000.nii.gz",
        ),
        (
            ["score-froc", "--probabilities", "nowhere"],
            "error: nowhere: no such folder; give the folder that holds <case id>.npz",
        ),
        (["components", "--minimum-mm3", "-1"], "error: the smallest size is -1 mm3; give 0 or more"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(folder: Path, arguments: list[str], message: str) -> None:
    command, *options = arguments
    folders = [str(folder / "predictions"), str(folder / "references"), "-o", str(folder / "out")]
    result = runner.invoke(app, [command, *folders, *options])
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert line.startswith(message)


ALL = ("failures", "score-froc", "components")


def results(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "out").iterdir() if path.suffix in (".md", ".csv")}


@pytest.mark.parametrize("command", ALL)
def test_masks_of_0_and_255_give_the_same_results(folder: Path, command: str) -> None:
    invoke(folder, command)
    plain = results(folder)
    for case_id in ("a", "b"):
        write_label_map(folder / "references" / f"{case_id}.nii.gz", row_mask(60, (0, 20)) * np.uint8(255))
    invoke(folder, command, "--foreground", "255")
    assert results(folder) == plain


@pytest.mark.parametrize("command", ALL)
def test_a_missing_prediction_counts_as_an_empty_one(folder: Path, command: str) -> None:
    write_pair(folder, "a", row_mask(60), row_mask(60, (0, 20)))
    invoke(folder, command)
    empty = results(folder)
    for ending in ("nii.gz", "npz"):
        (folder / "predictions" / f"a.{ending}").unlink()
    invoke(folder, command, "--missing-as-empty")
    assert results(folder) == empty


def test_a_prediction_that_overlaps_a_little_is_false_by_one_rule_only(folder: Path) -> None:
    """In case a a run of 30 shares one voxel with the tumour of 20 (IoU 1/49), another of 10 shares none."""
    write_pair(folder, "a", row_mask(60, (19, 49), (50, 60)), row_mask(60, (0, 20)))
    invoke(folder, "failures")
    assert len((folder / "out" / "false_positives.csv").read_text().splitlines()) == 1 + 2
    invoke(folder, "failures", "--false-positive-rule", "no_overlap")
    assert len((folder / "out" / "false_positives.csv").read_text().splitlines()) == 1 + 1
    # Garwood's intervals of two events and of one in two scans, Wilson's of one of two lesions
    intervals = {"1.00": "(0.121–3.612)", "0.50": "(0.013–2.786)"}
    for options, rate in (((), "1.00"), (("--false-positive-rule", "no_overlap"), "0.50")):
        invoke(folder, "score-froc", *options)
        assert f"| 0.1 | 0.50 | {rate} |" in (folder / "out" / "score_froc.md").read_text()
        invoke(folder, "components", *options)
        table = (folder / "out" / "component_analysis.md").read_text()
        found, false = "0.500 (0.095–0.905)", f"{rate}0 {intervals[rate]}"
        assert f"| 26 | 10 voxels | 2 | 3 | 0 | {found} | {false} | {found} | {false} |" in table


def test_the_number_of_a_dataset_stands_for_its_label_maps_images_and_cohort(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subgroups are of its cohort.csv, intensities of its CTs; and the next command is as short."""
    monkeypatch.setenv("nnUNet_raw", str(folder / "raw"))
    dataset = folder / "raw" / "Dataset007_Row"
    dataset.mkdir(parents=True)
    (folder / "references").rename(dataset / "labelsTs")
    for case_id in ("a", "b"):
        write_label_map(dataset / "imagesTs" / f"{case_id}_0000.nii.gz", row_mask(60, (0, 20)) * np.int16(40))
    (dataset / "cohort.csv").write_text("case_id,institution,split,sex\na,X,external,F\nb,X,external,M\n")
    predictions, out = str(folder / "predictions"), folder / "out"
    result = runner.invoke(app, ["evaluate", predictions, "-d", "7", "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].strip() == f"nnunet_amt failures {predictions} -d 7 -o {out}_failures"
    [evaluated] = read_runs(out)
    assert input_path(out, evaluated, "references") == dataset / "labelsTs"
    assert input_path(out, evaluated, "cohort") == dataset / "cohort.csv"
    result = runner.invoke(app, ["failures", predictions, "-d", "7", "-o", str(folder / "failures")])
    assert result.exit_code == 0, result.output
    [compared] = read_runs(folder / "failures")
    assert input_path(folder / "failures", compared, "images") == dataset / "imagesTs"


def test_evaluate_says_how_to_look_at_the_worst_cases(folder: Path) -> None:
    shown = invoke(folder, "evaluate", "--foreground", "255", "--components")
    references, output = folder / "references", folder / "out"
    command = f"nnunet_amt failures {folder / 'predictions'} {references} -o {output}_failures --foreground 255"
    assert shown.splitlines()[-1].strip() == command
    assert (output / "component_analysis.md").is_file()
