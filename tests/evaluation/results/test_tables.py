"""The result tables, and tables.md."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nnunet_amt.evaluation.results.tables import SOURCES, result_tables, subgroup_table
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary, NamedGroup, summarise
from nnunet_amt.writing.table_formats import markdown_document
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=500, ci_always=True)
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60), row_mask(60, (0, 20)))


def tables_text(
    settings: EvaluationSettings,
    overall: GroupSummary,
    subgroups: Sequence[NamedGroup],
    subjects: str | None = "patients",
) -> str:
    tables = result_tables(settings=settings, overall=overall, subgroups=subgroups, subjects=subjects)
    return markdown_document(tables, alignments="llr", sources=SOURCES)


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_our_row_stands_above_the_published_one() -> None:
    summary = summarise([FOUND, FOUND, FOUND, MISSED], settings=SETTINGS)
    table = rows(tables_text(SETTINGS, summary, [("tumour_size", "small", summary)]))
    assert all(len(row) == 7 for row in table)
    # Mean 0.75 and SD 0.5 of Dice 1, 1, 1, 0; of precision one case of the four is undefined.
    ours, published = table[2], table[3]
    assert ours[:3] == ["Overall", "ours", "4"]
    assert ours[3].startswith("0.75±0.50 (")
    assert ours[5] == "1.00±0.00 (–) [3]"  # all three are 1: an interval would have no width
    assert published[:4] == ["", "published", "164", "0.82±0.15 (0.79–0.84)"]
    assert table[4][0] == "**Tumour size**"
    assert table[5][:3] == ["small (< 5 cm)", "ours", "4"]
    assert table[6][1:4] == ["published", "39", "0.77±0.16 (0.71–0.81)"]
    header, _, ours, published = table[7:11]
    names = ("Sensitivity", "FP per scan")
    assert header[3:] == [f"{name}, IoU > {threshold}" for threshold in (0.1, 0.5) for name in names]
    assert [cell[:5] for cell in ours[3:]] == ["0.75±", "0.00±", "0.75±", "0.00±"]
    assert published[3:5] == ["0.95±0.01 (0.92–0.98)", "0.51±0.08 (0.37–0.68)"]


@pytest.mark.parametrize(
    ("subjects", "why"),
    [
        ("phantoms", "The cases are phantoms, so the paper's results do not stand beside these"),
        ("patients and phantoms", "The cases are patients and phantoms, so"),
        (None, "That the cases are patients is not on record"),
    ],
)
def test_the_published_rows_stand_beside_patients_alone(subjects: str | None, why: str) -> None:
    summary = summarise([FOUND, MISSED], settings=SETTINGS)
    text = tables_text(SETTINGS, summary, [("tumour_size", "small", summary)], subjects)
    assert why in text
    assert "0.82" not in text
    assert "published |" not in text
    assert "Published:" not in text
    assert [row[:2] for row in rows(text)[2:5]] == [
        ["Overall", "ours"],
        ["**Tumour size**", ""],
        ["small (< 5 cm)", "ours"],
    ]


def test_the_head_says_what_was_done_and_that_the_patients_are_others() -> None:
    settings = EvaluationSettings(connectivity=6, false_positive_rule="no_overlap", bootstrap_resamples=50)
    text = tables_text(settings, summarise([FOUND], settings=settings), [])
    assert text.startswith("# Evaluation of 1 case\n")
    for phrase in ("6-connectivity", "under 10 voxels", "rule no_overlap", "50 resamples", "other patients"):
        assert phrase in text


def test_what_is_undefined_is_a_dash() -> None:
    nothing = evaluated(row_mask(60), row_mask(60))
    ours = rows(tables_text(SETTINGS, summarise([nothing, nothing], settings=SETTINGS), []))[2]
    assert ours == ["Overall", "ours", "2", "–", "–", "–", "–"]


def test_scans_without_a_tumour_have_rows_and_a_table_of_their_own() -> None:
    """Of two such scans one is marked twice. Its Dice of 0 is in no row of its own, and not with those of tumours."""
    nothing = evaluated(row_mask(60), row_mask(60))
    marked = evaluated(row_mask(60, (0, 15), (30, 45)), row_mask(60))
    with_tumour, without = [FOUND, MISSED], [nothing, marked]
    subgroups = [
        ("tumour", "with a tumour", summarise(with_tumour, settings=SETTINGS)),
        ("tumour", "without a tumour", summarise(without, settings=SETTINGS)),
        ("sex", "F", summarise([FOUND], settings=SETTINGS)),
        ("sex", "M", summarise([MISSED, *without], settings=SETTINGS)),
    ]
    text = tables_text(SETTINGS, summarise([*with_tumour, *without], settings=SETTINGS), subgroups)
    table = rows(text)
    voxel, lesion = ({row[0]: row for row in part} for part in (table[:9], table[9:18]))
    assert voxel["Overall"][3].startswith("0.33±")  # 1, 0 and 0
    assert voxel["with a tumour"][3].startswith("0.50±")
    assert voxel["without a tumour"][2:] == ["2", "–", "–", "–", "–"]
    assert lesion["Overall"][4].startswith("0.50±")  # two false positives in four scans
    assert lesion["without a tumour"][3:5] == ["–", lesion["without a tumour"][4]]
    assert lesion["without a tumour"][4].startswith("1.00±")
    scans = [row for row in table if row[1:3] == ["ours", "2"] and row[0] in ("Overall", "M")][-2:]
    assert scans == [
        [name, "ours", "2", "1", "0.50 (Wilson 0.09–0.91)", "1.00 (0.12–3.61)"] for name in ("Overall", "M")
    ]
    assert "Without a tumour: 2 cases, counted in the false positives per scan." in text
    assert "(its Dice rests on 3 of 4 cases), the row 'with a tumour' does not" in text


def test_where_every_case_has_a_tumour_nothing_is_said_of_others() -> None:
    text = tables_text(SETTINGS, summarise([FOUND, MISSED], settings=SETTINGS), [])
    assert "ithout a tumour" not in text
    assert "pecificity" not in text


def test_subgroups_that_the_paper_lacks_stand_alone_and_bars_do_not_break_the_table() -> None:
    summary = summarise([FOUND, FOUND], settings=SETTINGS)
    text = tables_text(SETTINGS, summary, [("institution", "A|B", summary), ("sex", "F", summary)])
    assert "| A\\|B | ours | 2 |" in text
    assert text.count("published |") == 2  # the overall rows of the two tables


def test_a_group_of_many_values_is_left_to_the_summary_file() -> None:
    summary = summarise([FOUND, FOUND], settings=SETTINGS)
    text = tables_text(SETTINGS, summary, [("institution", f"H{i}", summary) for i in range(13)])
    assert "H1" not in text
    assert "Institution: 13 values, in metrics.csv." in text


def test_intervals_are_withheld_under_twenty_cases_and_the_note_says_so() -> None:
    settings = EvaluationSettings(bootstrap_resamples=100)
    text = tables_text(settings, summarise([FOUND] * 3 + [MISSED], settings=settings), [])
    ours = rows(text)[2]
    assert ours[3] == "0.75±0.50 (–)"
    assert "withheld (–) under 20 cases" in text
    assert "withheld (–) under" not in tables_text(SETTINGS, summarise([FOUND], settings=SETTINGS), [])


def test_all_found_has_an_interval_with_a_width() -> None:
    """Of 2 lesions 2: from 2 / (2 + 3.84) = 0.34. No false positive in 2 scans: up to 3.689 / 2 = 1.84."""
    settings = EvaluationSettings(bootstrap_resamples=100)
    table = rows(tables_text(settings, summarise([FOUND, FOUND], settings=settings), []))
    assert table[6][3:5] == ["1.00±0.00 (0.34–1.00)", "0.00±0.00 (0.00–1.84)"]


def test_few_institutions_to_draw_are_warned_of() -> None:
    settings = EvaluationSettings(bootstrap_resamples=100, cluster="institution")
    text = tables_text(settings, summarise([FOUND, FOUND], settings=settings, clusters={"case": "H1"}), [])
    assert "percentile bootstrap over 1 institution with all of their cases" in text
    assert "withheld (–) under 20 institutions" in text


@pytest.mark.parametrize("subjects", ["patients", "phantoms"])
def test_one_group_is_laid_out_however_many_subgroups_it_has(subjects: str) -> None:
    """Mean 0.75 of Dice 1, 1, 1, 0 overall; of 13 institutions, which the tables leave out, each row stands there."""
    whole, one = (summarise(cases, settings=SETTINGS) for cases in ([FOUND, FOUND, FOUND, MISSED], [FOUND, MISSED]))
    many = [("institution", f"hospital {number}", one) for number in range(13)]
    subgroups = [("tumour_size", "small", whole), *many]
    table = subgroup_table("institution", overall=whole, subgroups=subgroups, subjects=subjects)
    ours = [row for row in table.rows if row.kind == "row"]
    assert [row.title for row in ours] == ["Overall", *(f"hospital {number}" for number in range(13))]
    assert ours[0].cells[:2] == ("4", "4")
    assert [row.cells[2][:5] for row in ours[:2]] == ["0.75±", "0.50±"]
    assert all(len(row.cells) == len(table.columns) == 7 for row in table.rows)
    sizes = subgroup_table("tumour_size", overall=whole, subgroups=subgroups, subjects=subjects)
    published = [row.cells[:3] for row in sizes.rows if row.kind == "published"]
    theirs = [("164", "–", "0.82±0.15 (0.79–0.84)"), ("39", "–", "0.77±0.16 (0.71–0.81)")]
    assert published == (theirs if subjects == "patients" else [])
