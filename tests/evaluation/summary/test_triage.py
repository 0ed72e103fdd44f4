"""A reader's decisions on the candidate false positives."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.base.progress import silent
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation import CaseEvaluation, EvaluationSettings
from nnunet_amt.evaluation.figures.figures import froc_figure
from nnunet_amt.evaluation.measure.case import evaluate_cases
from nnunet_amt.evaluation.measure.label_maps import find_pairs
from nnunet_amt.evaluation.results.csv_files import write_lesions_csv
from nnunet_amt.evaluation.results.summary_json import SCHEMA_VERSION, read_summary
from nnunet_amt.evaluation.results.tables import result_tables
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.evaluation.summary.triage import TriageSummary, apply_triage, candidates, read_triage
from tests.evaluation.builders import evaluated, row_mask
from tests.evaluation.four_cases import SETTINGS, run, write_four_cases
from tests.evaluation.results.test_summary_json import SCHEMA

HEADER = "case_id,lesion,voxels,decision,note"
# of the four cases only "half" has a candidate: its second predicted lesion, 10 voxels where nothing is
ACCEPT = f"{HEADER}\nhalf,2,10,accept,a second tumour\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_four_cases(tmp_path)


def decisions(folder: Path, text: str) -> Path:
    path = folder / "decisions.csv"
    path.write_text(text, encoding="utf-8")
    return path


def decided(folder: Path, text: str) -> tuple[CaseEvaluation, ...]:
    """The four cases after triage, without the files and figures of an evaluation."""
    return apply_triage(read_triage(decisions(folder, text)), four_cases(folder), rule="unmatched")[0]


def four_cases(folder: Path) -> tuple[CaseEvaluation, ...]:
    pairs = find_pairs(folder / "predictions", folder / "references")
    return evaluate_cases(pairs, settings=SETTINGS, jobs=1, executor=None, progress=silent)


def lesions_column(folder: Path, cases: tuple[CaseEvaluation, ...]) -> list[str | None]:
    write_lesions_csv(folder / "lesions.csv", cases)
    with (folder / "lesions.csv").open(newline="") as file:
        return [row.get("triage") for row in csv.DictReader(file)]


def test_an_accepted_lesion_is_neither_a_false_nor_a_true_positive(folder: Path) -> None:
    plain, triaged = four_cases(folder), decided(folder, ACCEPT)
    lesion, as_it_was = summarise(triaged, settings=SETTINGS).lesion, summarise(plain, settings=SETTINGS).lesion
    # up to IoU 0.55 the only false positive is the accepted one; from 0.6 on "half" itself is lost, and false
    assert (as_it_was.fp, lesion.fp) == ((1,) * 11 + (2,) * 8, (0,) * 11 + (1,) * 8)
    assert lesion.tp == as_it_was.tp == (2,) * 11 + (1,) * 8
    assert (lesion.fn, lesion.sensitivity[0].mean) == (as_it_was.fn, as_it_was.sensitivity[0].mean)
    assert [case.voxel for case in triaged] == [case.voxel for case in plain]
    assert lesions_column(folder, triaged) == ["", "", "accept", "", "", ""]
    assert lesions_column(folder, plain) == [None] * 6


@pytest.mark.parametrize("rule", ["unmatched", "no_overlap"])
def test_an_accepted_lesion_where_there_is_no_tumour_leaves_the_scan_free(tmp_path: Path, rule: str) -> None:
    """Two lesions are marked: with one accepted the scan has a false positive still, with both it has none."""
    marked = evaluated(row_mask(60, (0, 15), (30, 45)), row_mask(60), case_id="d")
    rows = ["d,1,15,accept,", "d,2,15,accept,"]
    for text, negative, false_positives in (([], 0, 2), (rows[:1], 0, 1), (rows, 1, 0)):
        triage = read_triage(decisions(tmp_path, "\n".join([HEADER, *text])))
        specificity = summarise(apply_triage(triage, [marked], rule=rule)[0], settings=SETTINGS).specificity  # type: ignore[arg-type]
        assert specificity is not None
        assert (specificity.negative, specificity.false_positives) == (negative, false_positives)


@pytest.mark.parametrize("decision", ["dismiss", "undecided"])
def test_what_is_not_accepted_stays_a_false_positive(folder: Path, decision: str) -> None:
    triaged = decided(folder, ACCEPT.replace("accept", decision))
    assert summarise(triaged, settings=SETTINGS).lesion.fp == (1,) * 11 + (2,) * 8
    assert lesions_column(folder, triaged) == ["", "", decision, "", "", ""]


def test_a_candidate_without_a_row_is_undecided(folder: Path) -> None:
    assert [case.triage for case in decided(folder, f"{HEADER}\n")] == [{2: "undecided"}, {}, {}, {}]


def test_summary_tables_and_legend_say_what_was_decided_and_how_it_was_without(folder: Path) -> None:
    path = decisions(folder, ACCEPT)
    run(folder, triage=path, figures=True)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["schema_version"] == SCHEMA_VERSION
    assert summary["triage"] == {
        "file": "decisions.csv",
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "candidates": 1,
        "accepted": 1,
        "dismissed": 0,
        "threshold": [0.1, 0.5],
        "fp_without_triage": [1, 1],
        "fp_per_scan_without_triage": [0.25, 0.25],  # one in four scans
    }
    read_back = read_summary(folder / "out").overall.triage
    assert isinstance(read_back, TriageSummary)
    assert json.loads(json.dumps(asdict(read_back))) == summary["triage"]
    assert summary["lesion"]["fp_per_scan"][1] == 0.0
    with (folder / "out" / "cases.csv").open(newline="") as file:
        half = next(csv.DictReader(file))
    assert (half["lesion_fp_0.1"], half["lesion_fp_0.5"], half["predicted_lesions"]) == ("0", "0", "2")
    assert [group["lesion"]["fp"][1] for group in summary["subgroups"]] == [0] * 5
    # Garwood's interval of one event is 0.0253 to 5.572, here in four scans
    note = "Without triage: FP per scan (exact CI) 0.25 (0.01–1.39) at IoU 0.1, 0.25 (0.01–1.39) at IoU 0.5."
    for name, text in (("tables.md", note), ("tables.html", note), ("tables.tex", note.replace("–", "--"))):
        assert text in (folder / "out" / name).read_text(encoding="utf-8"), name
    assert "after triage: 1 of 1 candidate not counted as false" in (folder / "out" / "froc.svg").read_text()
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)


def test_without_decisions_nothing_is_said_of_triage() -> None:
    summary = summarise([evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)))], settings=SETTINGS)
    assert not any("riage" in note for note in result_tables(settings=SETTINGS, overall=summary, subgroups=()).notes)
    assert not any("triage" in text.get_text() for text in froc_figure(summary).legends[0].get_texts())


def test_a_candidate_that_has_a_partner_below_its_threshold_is_taken_out_above_it_only(tmp_path: Path) -> None:
    # 10 of 20 predicted voxels lie in a reference of 100: IoU 10/110 = 0.091, a partner at 0.05 and none at 0.1
    case = evaluated(row_mask(200, (90, 110)), row_mask(200, (0, 100)))
    assert candidates(case) == (1,)
    triage = read_triage(decisions(tmp_path, f"{HEADER}\ncase,1,20,accept,\n"))
    (after,), summary = apply_triage(triage, [case], rule="unmatched")
    assert case.lesions.fp.tolist() == [0] + [1] * 18
    assert after.lesions.fp.tolist() == [0] * 19
    assert after.lesions.tp.tolist() == [1] + [0] * 18
    assert summary.fp_without_triage == (1, 1)
    # by the other rule it overlaps a reference and never was a false positive
    other = EvaluationSettings(false_positive_rule="no_overlap")
    apart = evaluated(row_mask(200, (90, 110), (150, 170)), row_mask(200, (0, 100)), other)
    both = read_triage(decisions(tmp_path, f"{HEADER}\ncase,1,20,accept,\ncase,2,20,accept,\n"))
    (after,), _ = apply_triage(both, [apart], rule="no_overlap")
    assert (apart.lesions.fp.tolist(), after.lesions.fp.tolist()) == ([1] * 19, [0] * 19)


def test_a_file_that_a_spreadsheet_saved_is_read(folder: Path) -> None:
    """Byte order mark, Windows line ends, quotation marks, a line break and a guarded formula in a note."""
    text = f'\ufeff{HEADER}\r\n"half",2,10,accept,"says ""yes"",\r\n\'=1+1"\r\n\r\n'
    path = folder / "decisions.csv"
    path.write_bytes(text.encode())
    assert dict(read_triage(path).verdicts) == dict(read_triage(decisions(folder, ACCEPT)).verdicts)


def test_the_same_row_twice_is_one_decision(folder: Path) -> None:
    text = ACCEPT + "half,2,10,accept,again\n"
    assert summarise(decided(folder, text), settings=SETTINGS).lesion.fp[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case_id,lesion,decision\n", "line 1: has no column 'voxels' (its columns: case_id, lesion, decision)"),
        (f"{HEADER}\nnobody,1,10,accept,\n", "line 2, column 'case_id': no case 'nobody' is evaluated here"),
        (
            f"{HEADER}\nhalf,3,10,accept,\n",
            "line 2: case half has 2 predicted lesions, and no lesion 3: made for other",
        ),
        (f"{HEADER}\nhalf,2,11,accept,\n", "line 2: lesion 2 of case half has 10 voxels, not 11: made for other pred"),
        (f"{HEADER}\nhalf,1,12,accept,\n", "line 2: lesion 1 of case half has a partner at IoU 0.1: made for other"),
        (f"{HEADER}\nhalf,2,10,Accepted,\n", "line 2, column 'decision': is 'Accepted'; choose one of accept, dismiss"),
        (f"{HEADER}\nhalf,two,10,accept,\n", "line 2, column 'lesion': is 'two'; write a whole number, 1 or more"),
        (f"{HEADER}\nhalf,0,10,accept,\n", "line 2, column 'lesion': is '0'; write a whole number, 1 or more"),
        (ACCEPT + "half,2,10,dismiss,\n", "line 3: lesion 2 of case half stands on line 2 already, and not the same"),
        (f"{HEADER}\nhalf,2,10\n", "line 2: has 3 cells, the header has 5"),
        (f'{HEADER}\nhalf,2,10,accept,"open\n', "is not CSV"),
    ],
)
def test_what_is_refused_in_one_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(BadInputError) as refused:
        run(folder, triage=decisions(folder, text))
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(folder / "decisions.csv"))
    assert "\n" not in str(refused.value)
    assert not (folder / "out").exists()


@pytest.mark.usefixtures("no_figures")
def test_the_command_takes_the_file(folder: Path) -> None:
    words = ["evaluate", *(str(folder / name) for name in ("predictions", "references")), "-o", str(folder / "out")]
    result = CliRunner().invoke(app, [*words, "--triage", str(decisions(folder, ACCEPT))])
    assert result.exit_code == 0, result.output
    record = json.loads((folder / "out" / "nnunet_amt_runs.json").read_text())["runs"][-1]
    assert record["inputs"]["triage"]["path"] == "../decisions.csv"
    assert "1 of 1 candidate false positives accepted and not counted" in " ".join(result.output.split())
    with (folder / "out" / "froc.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["fp"] == "0"
    assert CliRunner().invoke(app, [*words, "--triage", str(folder / "missing.csv")]).exit_code == 2
