"""A table of one's own as CSV: read as printed, refused in one line, found as wrong as in a paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.consistency.check import check_tables
from nnunet_amt.statistics.consistency.papers import publication
from nnunet_amt.statistics.consistency.rates import TITLES
from nnunet_amt.statistics.consistency.table_file import read_published_table


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def findings(folder: Path, text: str) -> list[str]:
    return [str(finding) for finding in check_tables(read_published_table(written(folder, text)))]


def test_a_published_table_written_as_csv_has_the_same_findings(tmp_path: Path) -> None:
    rows = [row for row in publication("wang").tables.rates if row.table == "Table 3" and row.total]
    columns = [c for c in TITLES if c != "f1"]
    header = ["table", "row", "set", "n", "readings", *(f"{c}{end}" for c in columns for end in ("", "_low", "_high"))]
    lines = [",".join(header)]
    for row in rows:
        cells = [row.table, f'"{row.row}"', row.set, str(row.total), str(row.readings)]
        for column in columns:
            rate = row.rates[column]
            cells += [rate.value.text, rate.low.text if rate.low else "", rate.high.text if rate.high else ""]
        lines.append(",".join(cells))
    expected = [
        str(finding)
        for finding in check_tables(publication("wang").tables)
        if finding.table == "Table 3" and "management decision" in finding.row
    ]
    assert findings(tmp_path, "\n".join(lines)) == expected != []


def test_means_average_to_the_overall_row(tmp_path: Path) -> None:
    """(80 * 0.90 + 20 * 0.80) / 100 = 0.88."""
    text = "row,group,n,mean,sd,mean_low,mean_high\nall,overall,100,{},0.10,{},{}\n"
    text += "a,scanner,80,0.90,,,\nb,scanner,20,0.80,,,\n"
    assert findings(tmp_path, text.format("0.88", "0.86", "0.90")) == []
    (found,) = findings(tmp_path, text.format("0.85", "0.83", "0.87"))
    assert found == "scanner rows, mean 0.85: that is in the overall row, and the rows average to 0.880"


def test_without_n_the_overall_row_need_only_lie_between(tmp_path: Path) -> None:
    text = "row,group,mean\nall,overall,{}\na,scanner,0.90\nb,scanner,0.80\n"
    assert findings(tmp_path, text.format("0.81")) == []
    assert len(findings(tmp_path, text.format("0.95"))) == 1


def test_counts_percentages_and_p(tmp_path: Path) -> None:
    """9 of 20 and 29 of 41: chi-square gives 0.052; 12 of 41 are 29%."""
    text = "variable,row,count_low,count_high,percent_high,size_low,size_high,p\n"
    text += "sex,male,9,29,71,20,41,{}\nsex,female,11,12,{},,,\n"
    assert findings(tmp_path, text.format("0.052", "29%")) == []
    assert findings(tmp_path, text.format("<0.1", "29.3")) == []
    wrong = findings(tmp_path, text.format("0.015", "31"))
    assert wrong == [
        "sex: female, percentage, high 31%: 12 of 41 is 29.3%",
        "sex, p, low against high 0.015: no usual test of these counts gives it: chi-square 0.052, Fisher 0.090",
    ]


def test_the_numbers_of_patients_add_up(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "row,n_positive,n_negative,n,auc\nmodel,41,20,62,0.876\n")
    assert found == "model, number 62: 41 + 20 is 61"


def test_semicolons_decimal_commas_and_percent_signs(tmp_path: Path) -> None:
    text = "Row;N_positive;n_negative;sensitivity;specificity;accuracy\nmodel;41;20;87,8%;0,700;0,820\n"
    assert findings(tmp_path, text) == []
    assert len(findings(tmp_path, text.replace("0,700", "0,720"))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; give a CSV file"),
        ("\n\n", "is empty; give a CSV file"),
        ("row,auc\n", "has columns but no row"),
        ("name,auc\na,0.8\n", "has no column 'row' (its columns: name, auc)"),
        ("auc\n0.8\n", "has no column 'row'"),
        ("row,auc,auc\na,0.8,0.8\n", "column 'auc': stands there twice"),
        ("row,specifity\na,0.8\n", "did you mean 'specificity'?"),
        ("row,xyz\na,0.8\n", "nnunet_amt published --help lists"),
        ("row,auc\na,0.8,0.9\n", "has 3 cells"),
        ("row,auc\na,good\n", "column 'auc': 'good' is no number"),
        ("row,auc\na,0.8 (0.7-0.9)\n", "column 'auc': '0.8 (0.7-0.9)' is no number"),
        ("row,auc\na,nan\n", "'nan' is no number"),
        ("row,auc\na,87.8\n", "'87.8' is no share; write 0.878 or 87.8%"),
        ("row,auc,auc_low\na,0.8,0.7\n", "column 'auc_high': is empty"),
        ("row,auc,auc_low,auc_high\na,,0.7,0.9\n", "column 'auc': is empty, but its limits are given"),
        ("row,auc\na,<0.8\n", "is a bound"),
        ("row,auc\na,\n", "has no figure to check"),
        ("row,n_positive,auc\na,41,0.8\n", "column 'n_negative': is empty"),
        ("row,n_positive,n_negative,auc\na,41.5,20,0.8\n", "'41.5' is no whole number"),
        ("row,n_positive,n_negative,auc\na,0,20,0.8\n", "'0' is no whole number of 1 or more"),
        ("row,readings,auc\na,0,0.8\n", "column 'readings': '0' is no whole number of 1 or more"),
        ("row,variable\na,sex\n", "'sex' has no counts; give a column count_NAME"),
        ("row,variable,count_a,count_b\nm,sex,1,\n", "column 'count_b': is empty"),
        ("row,variable,count_a\nm,sex,1\nm,sex,2\n", "'m' stands twice in 'sex'"),
        ("row,variable,count_a,percent_a\nm,sex,1,half\n", "column 'percent_a': 'half' is no number"),
        ("row,variable,count_a,percent_b\nm,sex,1,2\n", "column 'percent_b': has no column 'count_b' beside it"),
        ("row,variable,count_a,p\nm,sex,1,small\n", "column 'p': 'small' is no number"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInputError) as error:
        read_published_table(written(tmp_path, text))
    assert words in str(error.value)
    assert "table.csv" in str(error.value)
    assert "\n" not in str(error.value)
