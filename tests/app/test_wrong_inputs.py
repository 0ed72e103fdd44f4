"""Inputs that go wrong, as hospitals give them: each is told in its cell, with what to do, in both languages."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.study.run_study import open_study
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

if TYPE_CHECKING:
    from starlette.testclient import TestClient

COLUMNS = (
    *("case_id", "patient_id", "institution", "image", "mask", "split", "roi", "age", "sex", "histology"),
    *("no_tumour", "exclusion_reason"),
)
FIRST = ("a", "P100", "North", "a.nii.gz", "ma.nii.gz", "training", "", "61", "F", "thymoma", "", "")
SECOND = ("b", "P200", "South", "b.nii.gz", "mb.nii.gz", "external", "", "50", "M", "thymoma", "", "")
PAGE = "/studies/one/cases?ids=1"


@dataclass(frozen=True)
class Wrong:
    """What the second row holds in place of what is right, and what is told where."""

    column: str
    english: str
    japanese: str
    cells: dict[str, str] = field(default_factory=dict)


ROWS = {
    "missing file": Wrong(
        "image", "gone.nii.gz does not exist; paths are", "gone.nii.gz がありません", {"image": "gone.nii.gz"}
    ),
    "path as on Windows": Wrong("image", "write / in place of \\", "代わりに / を使い", {"image": "ct\\b.nii.gz"}),
    "folder for a file": Wrong(
        "image", "is no image that can be read; give", "読める画像ではありません", {"image": "c.nii.gz"}
    ),
    "table for an image": Wrong(
        "mask", "is no image that can be read", "読める画像ではありません", {"mask": "manifest.csv"}
    ),
    "cut zip": Wrong("image", "the zip is damaged or not whole", "zipが壊れているか", {"image": "cut.zip"}),
    "mask without CT": Wrong(
        "image", "is empty; every included case needs it", "空欄です。対象の症例には", {"image": ""}
    ),
    "CT without mask": Wrong("mask", "or no_tumour = yes for a CT without", "no_tumour に yes を", {"mask": ""}),
    "institution empty": Wrong("institution", "is empty; every included", "空欄です", {"institution": ""}),
    "institution #N/A": Wrong("institution", "the spreadsheet's error #N/A", "エラー #N/A", {"institution": "#N/A"}),
    "patient nan": Wrong(
        "patient_id", "a program's word for an empty cell", "プログラムが空欄に書く語", {"patient_id": "nan"}
    ),
    "formula": Wrong(
        "institution", "holds a formula; enter the value", "数式が入っています", {"institution": "=VLOOKUP(A2,X:Y,2)"}
    ),
    "split misspelt": Wrong(
        "split",
        "must be 'training', 'tuning' or 'external' (the value",
        "'training'、'tuning'、'external' のどれかに",
        {"split": "extrenal"},
    ),
    "split in one row only": Wrong("split", "fill it in every row or in none", "すべて空欄に", {"split": ""}),
    "external institution in training": Wrong(
        "split",
        "line 2 is of the same institution and in 'training'; an institution of the external",
        "2行目は同じ施設で、分割が training",
        {"institution": "North"},
    ),
    "same patient in two splits": Wrong(
        "split",
        "line 2 is of the same patient and in 'training'; put both into one split",
        "2行目は同じ患者で",
        {"patient_id": "P100", "sex": "F"},
    ),
    "two sexes of one patient": Wrong(
        "sex",
        "the same patient_id and another sex",
        "patient_id が同じで、性別が違い",
        {"patient_id": "P100", "split": "training"},
    ),
    "two ages of one patient": Wrong(
        "age", "an age 56 years lower", "年齢が56歳違い", {"patient_id": "P100", "sex": "F", "age": "117"}
    ),
    "patient in full width": Wrong(
        "patient_id", "in capitals, spaces, zeros or forms of characters only", "全角と半角", {"patient_id": "Ｐ１００"}
    ),
    "patient with a dash": Wrong("patient_id", "in punctuation only", "句読点や記号", {"patient_id": "P-100"}),
    "patient as 1.23E+05": Wrong(
        "patient_id", "a spreadsheet has shortened", "下の桁が失われて", {"patient_id": "1.23E+05"}
    ),
    "institution in capitals": Wrong("institution", "spell both alike", "表記をそろえて", {"institution": "NORTH"}),
    "case id twice": Wrong(
        "case_id", "line 2 has the same case_id; each row", "2行目と case_id が同じ", {"case_id": "a"}
    ),
    "case id like a channel": Wrong(
        "case_id", "change its end, such as amt_0003 into amt-0003", "amt_0003 は amt-0003 に", {"case_id": "amt_0003"}
    ),
    "case id in Japanese": Wrong(
        "case_id", "must be 1 to 100 of the characters", "半角の英数字", {"case_id": "症例１"}
    ),
    "same mask": Wrong(
        "mask", "line 2 has the same mask and another image", "2行目とマスクが同じ", {"mask": "ma.nii.gz"}
    ),
    "age 240": Wrong("age", "must be at most 120", "120以下に", {"age": "240"}),
    "age with its word": Wrong("age", "with a decimal point (got '65 Jahre')", "数字だけで", {"age": "65 Jahre"}),
    "age in Japanese": Wrong("age", "with a decimal point (got '65歳')", "入力値：'65歳'", {"age": "65歳"}),
    "date for an age": Wrong("age", "the value is not shown", "値は表示しません", {"age": "1961-05-03"}),
    "sex unknown": Wrong("sex", "must be 'F', 'M' or 'O'", "'F'、'M'、'O' のどれか", {"sex": "unknown"}),
    "histology misspelt": Wrong(
        "histology", "nearly 'thymoma'; spell it so", "「thymoma」に似ていますが", {"histology": "tymoma"}
    ),
    "id in the histology": Wrong(
        "histology", "holds a patient_id of this table", "この表の patient_idが書かれて", {"histology": "as P100"}
    ),
    "ROI no expression": Wrong("roi", "is no regular expression", "正規表現として使えません", {"roi": "GTV("}),
    "no tumour and a histology": Wrong(
        "histology",
        "contradicts no_tumour = yes",
        "「腫瘍なし」（no_tumour = yes）と矛盾",
        {"no_tumour": "yes", "mask": ""},
    ),
    "no tumour maybe": Wrong("no_tumour", "must be yes or no", "yes か no を", {"no_tumour": "maybe"}),
    "path outside": Wrong(
        "image", "lies outside the opened folder; copy", "開いたフォルダーの外", {"image": "../../far.nii.gz"}
    ),
    "ROI of another name": Wrong(
        "roi",
        "none named 'GTV'; look the names up",
        "「GTV」はありません",
        {"image": "ct", "mask": "rs.dcm", "roi": "GTV"},
    ),
    "ROI with a space": Wrong(
        "roi",
        "none named 'Tumo ur', but 'Tumour', which differs",
        "だけが違う 'Tumour'",
        {"image": "ct", "mask": "rs.dcm", "roi": "Tumo ur"},
    ),
    "ROI not named": Wrong(
        "roi",
        "column 'roi' is empty; name there what is tumour",
        "列「roi」が空欄です",
        {"image": "ct", "mask": "rs.dcm"},
    ),
    "RTSTRUCT of another series": Wrong(
        "mask",
        "was drawn on another CT series",
        "別のCTシリーズに描かれた",
        {"image": "ct", "mask": "far.dcm", "roi": "Tumour"},
    ),
    "series with a gap": Wrong(
        "image", "slices are missing (1)", "スライスが1枚欠けて", {"image": "gap", "mask": "mb.nii.gz"}
    ),
}
# Seen when the row is opened: headers of all rows would take minutes.
OF_HEADERS = (
    "ROI of another name",
    "ROI with a space",
    "ROI not named",
    "RTSTRUCT of another series",
    "series with a gap",
)


@pytest.fixture
def study(folder: Path) -> Path:
    study = folder / "one"
    study.mkdir()
    write_table(study, [FIRST, SECOND])
    for name in ("a.nii.gz", "ma.nii.gz", "b.nii.gz", "mb.nii.gz"):
        (study / name).write_bytes(b"content")
    (study / "c.nii.gz").mkdir()
    (study / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    open_study(study, manifest=study / "manifest.csv")
    return study


def write_table(study: Path, rows: list[tuple[str, ...]], *, columns: tuple[str, ...] = COLUMNS) -> None:
    lines = [",".join(f'"{cell}"' for cell in row) for row in (columns, *rows)]
    (study / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_dicom(study: Path) -> None:
    write_ct_series(study / "ct")
    rois = {"Tumour": [square(105.0, (0, 1), (0, 1))], "Heart": [square(105.0, (0, 1), (0, 1))]}
    write_rtstruct(study / "rs.dcm", rois)
    write_rtstruct(study / "far.dcm", rois, series="another")
    write_ct_series(study / "gap", positions=[(0.0, 0.0, 5.0 * place) for place in (0, 1, 2, 4, 5, 6)])


def cell_in(client: TestClient, address: str, line: int, column: str) -> str:
    """Give what stands in a cell of the table, as a reader sees it."""
    page = client.get(address).text
    row = re.search(rf'<tr id="line-{line}".*?</tr>', page, re.DOTALL)
    assert row, page
    cell = re.search(rf'<td data-column="{column}"[^>]*>(.*?)</td>', row[0], re.DOTALL)
    assert cell, row[0]
    return html.unescape(re.sub("<[^>]*>", " ", cell[1]))


@pytest.mark.parametrize("kind", ROWS)
def test_a_wrong_row_says_in_its_cell_what_to_do(client: TestClient, study: Path, kind: str) -> None:
    wrong = ROWS[kind]
    if kind in OF_HEADERS:
        write_dicom(study)
    row = tuple(wrong.cells.get(column, cell) for column, cell in zip(COLUMNS, SECOND, strict=True))
    write_table(study, [FIRST, row])
    address = f"{PAGE}&edit=3" if kind in OF_HEADERS else PAGE
    assert wrong.english in cell_in(client, address, 3, wrong.column)
    japanese = cell_in(client, f"{address}&lang=ja", 3, wrong.column)
    assert wrong.japanese in japanese
    assert wrong.english not in japanese


def test_the_rows_that_stand_in_for_right_ones_are_right(client: TestClient, study: Path) -> None:
    """Or each of the kinds might be told of something else."""
    assert "No problem was found" in client.get(PAGE).text


def test_structures_to_choose_from_stand_at_the_field(client: TestClient, study: Path) -> None:
    write_dicom(study)
    write_table(study, [FIRST, (*SECOND[:3], "ct", "rs.dcm", *SECOND[5:6], "GTV", *SECOND[7:])])
    form = client.get(f"{PAGE}&edit=3").text
    assert 'value="Tumour"' in form and 'value="Heart"' in form


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("age", "２５"),
        ("sex", "Ｍ"),
        ("sex", "男"),
        ("sex", "女性"),
        ("no_tumour", "ｎｏ"),
        ("no_tumour", "いいえ"),
        ("age", "61,5 "),
    ],
)
def test_what_japanese_keyboards_give_is_read(client: TestClient, study: Path, column: str, text: str) -> None:
    write_table(
        study, [FIRST, tuple(text if name == column else cell for name, cell in zip(COLUMNS, SECOND, strict=True))]
    )
    assert "No problem was found" in client.get(PAGE).text


@pytest.mark.parametrize(
    ("change", "english", "japanese"),
    [
        ({"mask": "masks"}, "column 'mask': is missing; rename 'masks'", "この列がありません。列「masks」の名前を"),
        ({"age": "sex"}, "column 'sex': stands there twice; remove one", "同じ列が2つあります"),
        ({"histology": "histolgy"}, "is unknown; did you mean 'histology'?", "「histology」なら"),
    ],
    ids=["missing", "twice", "misspelt"],
)
def test_a_wrong_column_is_told_above_the_table(
    client: TestClient, study: Path, change: dict[str, str], english: str, japanese: str
) -> None:
    write_table(study, [FIRST], columns=tuple(change.get(name, name) for name in COLUMNS))
    assert english in html.unescape(client.get(PAGE).text)
    assert japanese in client.get(f"{PAGE}&lang=ja").text


TEXT = "\n".join(",".join(row) for row in (COLUMNS, FIRST, SECOND)) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("utf-16"),
        TEXT.replace("\n", "\r\n\r\n").encode(),
        TEXT.replace("North", " North ").replace("thymoma", "Thymoma\xa0").encode(),
        TEXT.replace("P100", '="P100"').encode(),
        TEXT.replace("\n", ",,\n").encode(),
        b"sep=;\n" + TEXT.replace(",", ";").encode(),
    ],
    ids=["BOM", "semicolons", "UTF-16", "blank lines", "spaces", "text formula", "empty columns", "sep line"],
)
def test_what_spreadsheets_save_is_read(client: TestClient, study: Path, content: bytes) -> None:
    (study / "manifest.csv").write_bytes(content)
    assert "No problem was found" in client.get(PAGE).text


@pytest.mark.parametrize(
    ("content", "english", "japanese"),
    [
        (TEXT.replace("North", "南病院").encode("cp932"), "line 2: is not in UTF-8; save it as", "（Shift_JISなど）"),
        (b"PK\x03\x04", "is a spreadsheet, not a CSV file; save it as", "表計算ソフトのファイルで"),
        (TEXT.replace("North", '"North').encode(), "is not CSV (", "CSVとして読めません"),
    ],
    ids=["Shift-JIS", "xlsx", "quotation mark"],
)
def test_a_file_that_is_no_table_is_told_with_the_remedy(
    client: TestClient, study: Path, content: bytes, english: str, japanese: str
) -> None:
    (study / "manifest.csv").write_bytes(content)
    assert english in client.get(PAGE).text
    assert japanese in client.get(f"{PAGE}&lang=ja").text


def test_a_sent_table_of_capital_columns_may_count_from_another_folder(client: TestClient, study: Path) -> None:
    """The manifest itself is read whatever its capitals."""
    header, *rows = TEXT.splitlines()
    found = re.search(r'name="digest" value="(\w+)"', client.get(PAGE).text)
    assert found
    sent = "\n".join([header.upper(), *rows]).encode()
    answer = client.post(
        "/studies/one/cases/import", data={"digest": found[1], "base": "one"}, files={"table": ("t.csv", sent)}
    )
    assert answer.status_code == 200 and "No problem was found" in answer.text
