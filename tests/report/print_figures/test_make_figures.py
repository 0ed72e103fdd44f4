"""Figures 2, 4, 5 and 6 of a study of two cases: one found with a voxel too many, one missed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.results.read_results import read_cases
from nnunet_amt.evaluation.results.summary_json import write_summary_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.report.print_figures import FIGURE_FILES, make_figures
from nnunet_amt.report.print_figures.case_figure import case_figure
from nnunet_amt.report.print_figures.make_figures import flow_figure_of
from nnunet_amt.report.print_figures.panels import FailedCases, failure_panels, success_panels
from nnunet_amt.study import find_study
from tests.evaluation.builders import evaluated, row_mask
from tests.figure_texts import covered
from tests.study.tiny_study import write_study

runner = CliRunner()
AUDIT = {
    "excluded_by_reason": {"incomplete CT": 3},
    "included": {"cases": 9, "patients": 8, "institutions": 5},
    "splits": {
        "training": {"cases": 5, "patients": 4, "institutions": 2},
        "tuning": {"cases": 2, "patients": 2, "institutions": 1},
        "external": {"cases": 2, "patients": 2, "institutions": 3},
    },
    "institutions_of_both_training_and_tuning": 1,
}


def written_study(folder: Path) -> Path:
    write_study(folder)
    settings = EvaluationSettings(bootstrap_resamples=20)
    cases = [evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20))), evaluated(row_mask(60), row_mask(60, (0, 20)))]
    write_summary_json(
        folder / "evaluation" / "summary.json",
        settings=settings,
        overall=summarise(cases, settings=settings),
        subgroups=[],
    )
    (folder / "nnUNet_raw" / "Dataset711_AMT" / "audit.json").write_text(json.dumps(AUDIT))
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study and its figures in ``figures``."""
    folder = written_study(tmp_path_factory.mktemp("study"))
    result = make_figures(folder, folder / "figures")
    assert result.left_out == ()
    assert [file.name for file in result.files] == list(FIGURE_FILES)
    return folder


@pytest.fixture
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds where figures are not the subject: their files are empty."""

    def save_nothing(_: object, folder: Path, name: str) -> None:
        for ending in ("png", "svg"):
            (folder / f"{name}.{ending}").touch()

    monkeypatch.setattr(sys.modules[make_figures.__module__], "save_figure", save_nothing)


def test_pictures_are_for_print(drawn: Path) -> None:
    """170 mm at 300 dots an inch are 2007 or 2008 pixels; the FROC fills one column of 85 mm."""
    for name, width in (("figure_2", 2008), ("figure_4", 1004), ("figure_5", 2008), ("figure_6", 2008)):
        with Image.open(drawn / "figures" / f"{name}.png") as picture:
            assert picture.width == pytest.approx(width, abs=1), name
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        svg = drawn / "figures" / f"{name}.svg"
        assert svg.stat().st_size < 500_000
        text = svg.read_text()
        assert "<text" in text, "words can be searched and edited"
        assert not re.search(r'href="(?!#|data:)', text), "nothing is loaded from elsewhere"


def test_captions_say_which_case_is_which_panel(drawn: Path) -> None:
    text = (drawn / "figures" / "figures.md").read_text()
    fifth, sixth = text.split("## Figure 5")[1].split("## Figure 6")
    assert [line.split(" | ")[:3] for line in fifth.splitlines() if line.startswith("| ") and "AMT" in line] == [
        ["| a", "AMT-0001", "0.94"],
        ["| b", "AMT-0001", "0.94"],
        ["| c", "AMT-0001", "0.94"],
    ]
    assert "| a | AMT-0002 | 0.00 | – | 1.00 | 2 | missed completely |" in sixth
    assert text.count("It is the only such case.") == 2


def test_the_run_is_recorded(drawn: Path) -> None:
    (run,) = json.loads((drawn / "figures" / "nnunet_amt_runs.json").read_text())["runs"]
    assert run["stage"] == "figures"
    assert run["inputs"]["evaluation"]["path"] == "../evaluation"
    assert set(run["outputs"]) == set(FIGURE_FILES)
    assert run["counts"] == {"figures": 4}


def test_no_picture_has_text_below_seven_points(drawn: Path) -> None:
    study = find_study(drawn)
    found, missed = read_cases(study.evaluation.path)
    figures = [
        case_figure(success_panels(study, [found], foreground=1)),
        case_figure(failure_panels(study, FailedCases((), (missed,)), foreground=1)),
        flow_figure_of(drawn / "nnUNet_raw" / "Dataset711_AMT"),
    ]
    for figure in figures:
        sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if isinstance(text, Text)]
        assert min(sizes) >= 7


def test_long_names_below_panels_are_cut_and_cover_nothing(drawn: Path) -> None:
    """Five panels, so in two rows, of cases with names of nearly a hundred letters and large volumes."""
    study = find_study(drawn)
    _, missed = read_cases(study.evaluation.path)
    (panel,) = failure_panels(study, FailedCases((), (missed,)), foreground=1)
    name = "University-Hospital-of-the-North-Eastern-Campus_thymoma-and-thymic-carcinoma_follow-up-CT"
    lines = [
        (f"{name}-{number:04d}", "Dice 0.00, 123.4 cm, 12345 cm³", "under: 12345 cm³ missing") for number in range(5)
    ]
    figure = case_figure([replace(panel, letter=chr(97 + i), lines=text) for i, text in enumerate(lines)])
    assert covered(figure) == []
    shown = [axes.texts[-3].get_text() for axes in figure.axes]
    assert len(set(shown)) == 5, "names that differ at their ends are told apart"
    assert all(text.startswith("University") and "…" in text for text in shown)
    widths = [axes.texts[-3].get_window_extent().width / axes.get_window_extent().width for axes in figure.axes]
    assert max(widths) <= 1


def test_panels_show_what_they_say(drawn: Path) -> None:
    """The tumour lies in slice 1 of 0 to 3, so in the second; coronal and sagittal go through its middle."""
    study = find_study(drawn)
    found, missed = read_cases(study.evaluation.path)
    panels = success_panels(study, [found], foreground=1)
    assert [(panel.letter, panel.view.plane) for panel in panels] == [
        ("a", "axial"),
        ("b", "sagittal"),
        ("c", "coronal"),
    ]
    assert panels[0].slice_number == 2
    assert panels[0].view.reference.sum() == panels[0].view.prediction.sum() == 8
    (panel,) = failure_panels(study, FailedCases((), (missed,)), foreground=1)
    assert panel.lines[-1] == "missed completely"
    assert panel.pointed is not None
    row, column = np.array(panel.pointed).astype(int)
    assert panel.view.reference[row, column], "the arrow ends in what is missing"


def test_a_false_positive_is_looked_for_in_another_slice(drawn: Path) -> None:
    """The voxel too many is alone in slice 2: the third is shown, and 0.01 cm³ (1 x 2 x 5 mm) are added."""
    study = find_study(drawn)
    found, _ = read_cases(study.evaluation.path)
    (panel,) = failure_panels(study, FailedCases((found,), ()), foreground=1)
    assert panel.slice_number == 3
    assert (panel.view.prediction.sum(), panel.view.reference.sum()) == (1, 0)
    assert panel.lines[-1] == "0.01 cm³ added"


def test_the_flow_is_that_of_the_conversion(drawn: Path) -> None:
    """9 included and 3 excluded were identified: 12."""
    figure = flow_figure_of(drawn / "nnUNet_raw" / "Dataset711_AMT")
    texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    for words in ("12 cases", "9 cases", "5 cases", "incomplete CT", "from 3 institutions"):
        assert words in texts


def test_a_broken_audit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(BadInputError, match=r"audit.json: is damaged \("):
        flow_figure_of(tmp_path)


@pytest.mark.usefixtures("nothing_drawn")
def test_what_is_missing_is_left_out_and_says_what_to_run(drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(drawn, folder)
    dataset = folder / "nnUNet_raw" / "Dataset711_AMT"
    (dataset / "audit.json").unlink()
    shutil.rmtree(dataset / "imagesTs")
    done = runner.invoke(app, ["figures", str(folder), "-o", str(folder / "figures")])
    assert done.exit_code == 0, done.output
    assert re.search(r"left out: figure_2 .*nnunet_amt convert", done.output)
    assert re.search(r"left out: figure_5 .*no CTs", done.output)
    left = sorted(file.name for file in (folder / "figures").iterdir())
    assert left == ["figure_4.png", "figure_4.svg", "figures.md", "nnunet_amt_runs.json"], "older ones are gone"


@pytest.mark.usefixtures("nothing_drawn")
def test_only_the_cases_asked_for_are_shown(drawn: Path, tmp_path: Path) -> None:
    shown = make_figures(drawn, tmp_path / "figures", cases=["AMT-0002"])
    assert [reason.partition(":")[0] for reason in shown.left_out] == ["figure_5 (successful cases)"]
    with pytest.raises(UnmatchedCasesError, match=r"--cases: 1 case \(AMT-9\) not in"):
        make_figures(drawn, tmp_path / "figures", cases=["AMT-0001", "AMT-9"])


def test_without_an_evaluation_nothing_is_drawn(tmp_path: Path) -> None:
    done = runner.invoke(app, ["figures", str(tmp_path), "-o", str(tmp_path / "figures")])
    assert done.exit_code == 2
    assert "no evaluation in it" in done.output
    assert not (tmp_path / "figures").exists()


def test_results_do_not_replace_what_they_are_made_from(drawn: Path) -> None:
    with pytest.raises(BadInputError, match="give another folder"):
        make_figures(drawn, drawn / "evaluation")


def test_equal_studies_give_equal_pictures(drawn: Path, tmp_path: Path) -> None:
    again = make_figures(drawn, tmp_path / "figures", cases=["AMT-0001"])
    for file in again.files:
        if file.suffix in (".png", ".svg") and "figure_5" in file.name:
            assert file.read_bytes() == (drawn / "figures" / file.name).read_bytes(), file.name
