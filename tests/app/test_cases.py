"""The cohort's page: what is wrong stands in its row, a change hits the row that was looked at, no one is named."""

from __future__ import annotations

import html
import re
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.app import cases
from nnunet_amt.base.progress import Progress
from nnunet_amt.dataset_conversion.pairing import FoundFiles, find_pairs
from nnunet_amt.study.run_study import open_study
from tests.app.stand_ins import wait_for
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HEADER = "case_id,patient_id,institution,image,mask,split,age,sex,histology,exclusion_reason,nickname"
PAGE = "/studies/one/cases"
ROWS = (
    "c1,MRN-1,North,c1.nii.gz,m1.nii.gz,training,61,F,,,Jane",
    "c2,MRN-2,South,c2.nii.gz,,external,200,F,,,Joan",
    "c3,MRN-1,North,,,,,,,no CT,",
)


@pytest.fixture
def study(folder: Path) -> Path:
    study = folder / "one"
    study.mkdir()
    (study / "manifest.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    for name in ("c1", "c2", "m1", "m2"):
        (study / f"{name}.nii.gz").write_bytes(b"content")
    open_study(study, manifest=study / "manifest.csv")
    return study


def digest_in(page: Any) -> str:
    found = re.search(r'name="digest" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def row_of(page: Any, line: int) -> str:
    found = re.search(rf'<tr id="line-{line}".*?</tr>', page.text, re.DOTALL)
    assert found
    return html.unescape(found[0])


def save(client: TestClient, line: int, **cells: str) -> Any:
    digest = digest_in(client.get(PAGE))
    data = {"digest": digest, "line": str(line), **{f"cell-{name}": text for name, text in cells.items()}}
    return client.post(f"{PAGE}/row", data=data)


def send(client: TestClient, *files: tuple[str, bytes], institution: str = "") -> Any:
    data = {"digest": digest_in(client.get(PAGE)), "institution": institution}
    return client.post(f"{PAGE}/send", data=data, files=[("files", file) for file in files] or None)


def test_every_problem_stands_in_its_row(client: TestClient, study: Path) -> None:
    (study / "m1.nii.gz").unlink()
    page = client.get(PAGE)
    assert "the file does not exist" in row_of(page, 2)
    assert "m1.nii.gz does not exist" in row_of(client.get(f"{PAGE}?ids=1"), 2)
    assert "is empty; every included case needs it" in row_of(page, 3)
    assert re.search(r"must be at most 120.* \(got '200'\)", row_of(page, 3))
    assert "problem" not in row_of(page, 4)
    assert "Problems: 3, in rows: 2." in page.text
    assert "Cases that take part: 2. Excluded rows: 1." in page.text


def test_patients_are_numbered_and_unused_columns_hidden_unless_asked_for(client: TestClient, study: Path) -> None:
    page = client.get(PAGE)
    assert "MRN" not in page.text
    assert "Jane" not in page.text
    assert "nickname" not in page.text
    assert ["patient 1" in row_of(page, line) for line in (2, 3, 4)] == [True, False, True]
    assert "MRN-2" in row_of(client.get(f"{PAGE}?ids=1"), 3)


def test_of_files_only_the_folders_are_shown_that_patients_share(client: TestClient, study: Path) -> None:
    """Two patients have files in north and in north/ct; in P1 and P2 one each."""
    rows = (
        "c1,MRN-1,North,north/ct/P1/scan.nii.gz,north/Yamada.dcm,,,,,,",
        "c2,MRN-2,North,north/ct/P2/scan.nii.gz,Suzuki.nii.gz,,,,,,",
        "c3,MRN-2,North,north/ct/P2/series,only/here/m.nrrd,,,,,,",
    )
    (study / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    page = client.get(PAGE)
    shown = [re.findall('<span class="soft">([^<]*)</span>', row_of(page, line))[1:] for line in (2, 3, 4)]
    assert shown == [["north/ct/….nii.gz", "north/….dcm"], ["north/ct/….nii.gz", "….nii.gz"], ["north/ct/…", "….nrrd"]]
    assert not re.search(
        "scan|Yamada|Suzuki|P1|P2|series",
        page.text[page.text.index("<tbody") : page.text.index("</table>", page.text.index("<tbody"))],
    )
    assert "ファイル がありません" in client.get(f"{PAGE}?lang=ja").text
    named = client.get(f"{PAGE}?ids=1")
    assert '<td data-column="mask" class="broad wrong">north/Yamada.dcm' in row_of(named, 2)


def test_a_row_is_edited_in_its_form(client: TestClient, study: Path) -> None:
    form = client.get(f"{PAGE}?edit=3").text
    assert 'name="cell-age" value="200"' in form
    answer = save(client, 3, age="62", mask="m2.nii.gz", no_tumour="")
    assert answer.status_code == 200
    assert "problem" not in row_of(answer, 3)
    assert "no_tumour" not in (study / "manifest.csv").read_text()
    assert "Joan" in (study / "manifest.csv").read_text()  # kept, though never shown
    assert (study / "manifest.csv.before").read_text().splitlines()[2] == ROWS[1]


def test_what_was_typed_is_kept_where_it_cannot_be_saved(client: TestClient, study: Path) -> None:
    answer = save(client, 3, mask="/etc/passwd")
    assert answer.status_code == 400
    assert "lies outside the opened folder" in answer.text
    assert 'name="cell-mask" value="/etc/passwd"' in answer.text
    assert "passwd" not in (study / "manifest.csv").read_text()


def test_a_table_that_was_changed_elsewhere_is_not_written_over(client: TestClient, study: Path) -> None:
    digest = digest_in(client.get(PAGE))
    (study / "manifest.csv").write_text("\n".join([HEADER, ROWS[1], ROWS[0]]))
    answer = client.post(f"{PAGE}/row", data={"digest": digest, "line": "3", "cell-age": "62"})
    assert answer.status_code == 409
    assert "was changed since this page was loaded" in answer.text
    assert (study / "manifest.csv").read_text().splitlines()[2] == ROWS[0]


def change(client: TestClient, line: int, **cells: str) -> Any:
    """Change cells as the page's script does."""
    digest = digest_in(client.get(PAGE))
    data = {
        "digest": digest,
        "line": str(line),
        "answer": "rows",
        **{f"cell-{name}": text for name, text in cells.items()},
    }
    return client.post(f"{PAGE}/row", data=data)


def test_a_changed_cell_is_answered_with_the_rows_that_it_changes(client: TestClient, study: Path) -> None:
    answer = change(client, 2, age="62")
    assert re.findall('<tr id="line-(.)"', answer.text) == ["2"]
    assert '<td data-column="age" class="broad">62</td>' in answer.text  # line 3 has an age of 200
    before = digest_in(client.get(PAGE))
    assert f'data-digest="{before}"' in answer.text
    mended = change(client, 3, age="61")  # nothing is left to be read in that column: the whole page is laid out anew
    assert (mended.status_code, mended.headers["location"]) == (205, f"{PAGE}#line-3")


def test_a_change_that_cannot_be_made_is_no_answer_of_rows(client: TestClient, study: Path) -> None:
    assert change(client, 9, age="62").status_code == 400


def test_a_row_is_removed_and_the_change_taken_back(client: TestClient, study: Path) -> None:
    client.post(f"{PAGE}/row", data={"digest": digest_in(client.get(PAGE)), "line": "2", "action": "remove"})
    assert "c1.nii.gz" not in client.get(f"{PAGE}?ids=1").text
    client.post(f"{PAGE}/undo", data={"digest": digest_in(client.get(PAGE))})
    assert "c1.nii.gz" in client.get(f"{PAGE}?ids=1").text


def test_it_is_said_what_would_be_taken_back(client: TestClient, study: Path) -> None:
    """Of a patient's id and of files only where, unless names are shown."""

    def told(address: str = PAGE) -> str:
        found = re.search('id="last-change">([^<]*)<', client.get(address).text)
        return found[1] if found else ""

    assert told() == ""
    assert 'id="last-change">Last change: c1 (line 2), Age: “61” → “62”<' in change(client, 2, age="62").text
    assert told() == "Last change: c1 (line 2), Age: “61” → “62”"
    save(client, 2, histology="thymoma")
    assert told(f"{PAGE}?lang=en") == "Last change: c1 (line 2), Histology: empty → “thymoma”"
    save(client, 3, patient_id="MRN-3")
    assert told() == "Last change: c2 (line 3), Patient"
    assert told(f"{PAGE}?ids=1") == "Last change: c2 (line 3), Patient: “MRN-2” → “MRN-3”"
    client.post(f"{PAGE}/undo", data={"digest": digest_in(client.get(PAGE))})
    assert told(f"{PAGE}?ids=1") == "Last change: c2 (line 3), Patient: “MRN-3” → “MRN-2”"
    save(client, 2, age="63", sex="M")
    assert told() == "Last change: cells changed: 2."
    client.post(f"{PAGE}/row", data={"digest": digest_in(client.get(PAGE)), "line": "4", "action": "remove"})
    assert told() == "Last change: rows removed: 1."


def test_export_and_import_keep_every_cell(client: TestClient, study: Path) -> None:
    exported = client.get(f"{PAGE}/export")
    assert exported.headers["content-disposition"] == "attachment; filename*=UTF-8''one-manifest.csv"
    assert exported.content.startswith(b"\xef\xbb\xbfcase_id,")
    changed = exported.content.replace(b"South", "北".encode())
    data = {"digest": digest_in(client.get(PAGE))}
    answer = client.post(f"{PAGE}/import", data=data, files={"table": ("t.csv", changed)})
    assert "北" in row_of(answer, 3)
    assert "Joan" in (study / "manifest.csv").read_text()


def test_the_names_in_an_imported_table_may_count_from_another_folder(client: TestClient, study: Path) -> None:
    (study.parent / "cohort").mkdir()
    data = {"digest": digest_in(client.get(PAGE)), "base": "cohort"}
    table = "\n".join([HEADER, ROWS[0]])
    client.post(f"{PAGE}/import", data=data, files={"table": ("t.csv", table.encode())})
    assert "../cohort/c1.nii.gz" in row_of(client.get(f"{PAGE}?ids=1"), 2)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b'a,"b', b"case_id\n"])
def test_what_is_no_table_is_told(client: TestClient, study: Path, content: bytes) -> None:
    data = {"digest": digest_in(client.get(PAGE))}
    answer = client.post(f"{PAGE}/import", data=data, files={"table": ("t.csv", content)})
    assert answer.status_code == 400
    assert "manifest.csv" in re.findall(r'role="alert">(.*?)</p>', answer.text)[0]


def test_a_folder_is_searched_and_its_cases_added(client: TestClient, study: Path, folder: Path) -> None:
    write_ct_series(folder / "cohort" / "p9" / "ct")
    write_rtstruct(folder / "cohort" / "p9" / "rs.dcm", {"GTV": [square(105.0, (0, 1), (0, 1))], "Heart <b>": []})
    data = {"path": "cohort", "institution": "West"}
    answer = client.post(f"{PAGE}/search", data={**data, "digest": digest_in(client.get(PAGE))})
    assert "Cases added: 1." in answer.text
    row = row_of(client.get(f"{PAGE}?ids=1"), 5)
    assert "../cohort/p9/ct" in row
    assert "../cohort/p9/rs.dcm" in row
    assert "West" in row
    assert "planted-id" not in answer.text
    assert 'value="GTV"' in client.get(f"{PAGE}?edit=5").text  # what may be chosen as ROI
    again = client.post(f"{PAGE}/search", data={**data, "digest": digest_in(client.get(PAGE))})
    assert "Cases added: 0." in again.text
    assert "In the table already: 1." in again.text


def test_a_long_search_does_not_hold_the_page_up(
    client: TestClient, study: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far it is is told; a row that is changed meanwhile stays changed; what was found is told once."""
    write_ct_series(folder / "cohort" / "p9" / "ct")
    goes_on = threading.Event()

    def slow(root: Path, *, progress: Progress) -> FoundFiles:
        progress(3, 8, "looking at the files")
        assert goes_on.wait(30)
        return find_pairs(root, progress=progress)

    monkeypatch.setattr(cases, "find_pairs", slow)
    monkeypatch.setattr(cases, "_PATIENCE_SECONDS", 0.1)
    data = {"path": "cohort", "institution": "West", "digest": digest_in(client.get(PAGE))}
    assert "Files looked at: 3 of 8." in client.post(f"{PAGE}/search", data=data).text
    assert "Files looked at: 3 of 8." in client.get(f"{PAGE}/search-state").text
    save(client, 2, age="62")
    goes_on.set()
    wait_for(lambda: "data-reload" in client.get(f"{PAGE}/search-state").text)
    page = client.get(PAGE)
    assert "Cases added: 1." in page.text
    assert (">62<" in row_of(page, 2), "West" in row_of(page, 5)) == (True, True)
    assert "Cases added" not in client.get(PAGE).text


def test_a_file_of_two_outlines_is_told_in_its_row_when_it_is_found(
    client: TestClient, study: Path, folder: Path
) -> None:
    """And so is one that is there already, once the page was loaded; not where the row says which is meant."""
    rois = {"GTV": [square(105.0, (0, 1), (0, 1))], "Heart": [square(105.0, (0, 1), (0, 1))]}
    write_ct_series(folder / "cohort" / "p9" / "ct")
    write_rtstruct(folder / "cohort" / "p9" / "rs.dcm", rois)
    says = "the RTSTRUCT has 2 closed ROIs and column 'roi' is empty; name there what is tumour"
    data = {"path": "cohort", "institution": "West", "digest": digest_in(client.get(PAGE))}
    assert says in row_of(client.post(f"{PAGE}/search", data=data), 5)
    write_rtstruct(study / "m1.dcm", rois)
    (study / "manifest.csv").write_text((study / "manifest.csv").read_text().replace("m1.nii.gz", "m1.dcm"))
    client.get(PAGE)
    assert says in row_of(client.get(PAGE), 2)
    save(client, 2, roi="GTV")
    assert says not in row_of(client.get(PAGE), 2)


def test_a_ct_that_is_given_for_a_mask_is_told_in_its_row(client: TestClient, study: Path) -> None:
    """A series, and a file with air in it; a mask of the same type of numbers is none."""
    write_ct_series(study / "series")
    volume = np.zeros((4, 8, 8), np.int16)
    for name, low in (("m1", 0), ("m2", -1024)):
        volume[:, 0, 0] = low
        sitk.WriteImage(sitk.GetImageFromArray(volume), str(study / f"{name}.nii.gz"))
    text = (study / "manifest.csv").read_text().replace("c2.nii.gz,,external,200", "c2.nii.gz,m2.nii.gz,external,50")
    row = ROWS[0].replace("c1,", "c4,").replace("m1.nii.gz", "series").replace("c1.nii.gz", "series")
    (study / "manifest.csv").write_text(f"{text}{row}\n")
    client.get(PAGE)
    page = client.get(PAGE)
    told = ["is a CT, not a mask; give the file with the outlines" in row_of(page, line) for line in (2, 3, 5)]
    assert told == [False, True, True]
    assert "これはCTで、マスクではありません" in client.get(f"{PAGE}?lang=ja").text


def test_a_sent_zip_of_dicom_is_unpacked_beside_the_table_and_its_cases_added(
    client: TestClient, study: Path, tmp_path: Path
) -> None:
    """A second time it is another folder, and the CTs in it another copy: rows that one sees and may remove."""
    write_ct_series(tmp_path / "p9" / "ct")
    write_rtstruct(tmp_path / "p9" / "rs.dcm", {"GTV": [square(105.0, (0, 1), (0, 1))]})
    shutil.make_archive(str(tmp_path / "p9"), "zip", tmp_path / "p9")
    content = (tmp_path / "p9.zip").read_bytes()
    answer = send(client, ("p9.zip", content), institution="West")
    assert "Cases added: 1." in answer.text
    row = row_of(client.get(f"{PAGE}?ids=1"), 5)
    folder = next((study / "sent").iterdir())
    assert f"sent/{folder.name}/p9/ct" in row
    assert f"sent/{folder.name}/p9/rs.dcm" in row
    assert "West" in row
    problems = re.findall('class="problem">(.*?)<', row)
    assert problems == ["is empty, other rows fill it; fill it in every row or in none"]


def test_images_and_masks_are_sent_in_their_folders(client: TestClient, study: Path) -> None:
    """A browser sends a folder's files with their places in it."""
    answer = send(client, ("north/images/a.nii.gz", b"ct"), ("north/masks/a.nii.gz", b"mask"))
    assert "Cases added: 1." in answer.text
    assert re.search(
        r"sent/[\d-]+/north/images/a.nii.gz</td>.*sent/[\d-]+/north/masks/a.nii.gz",
        row_of(client.get(f"{PAGE}?ids=1"), 5),
    )


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ((), "Nothing was chosen"),
        ((("a.zip", b"PK\x03\x04 but no zip"),), "a.zip: is damaged, or no zip"),
    ],
)
def test_what_was_sent_in_vain_leaves_nothing(
    client: TestClient, study: Path, files: tuple[tuple[str, bytes], ...], told: str
) -> None:
    answer = send(client, *files)
    assert answer.status_code == 400
    assert told in answer.text
    assert not any((study / "sent").glob("*"))
    stale = client.post(f"{PAGE}/send", data={"digest": "0"}, files=[("files", ("b.nii.gz", b"x"))])
    assert stale.status_code == 409
    assert not any((study / "sent").glob("*"))


@pytest.mark.parametrize(("path", "status"), [("../..", 403), ("/etc", 403), ("none", 400), ("one/c1.nii.gz", 400)])
def test_only_folders_in_the_opened_one_are_searched(client: TestClient, study: Path, path: str, status: int) -> None:
    data = {"path": path, "digest": digest_in(client.get(PAGE))}
    answer = client.post(f"{PAGE}/search", data=data)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text


def test_what_a_form_answers_can_be_read_in_the_other_language(client: TestClient, study: Path) -> None:
    """Its link leads to the page of the form, which the address of the form itself does not."""
    answer = client.post("/studies/one/cases/search", data={"path": "nowhere"})
    link = re.search(r'href="([^"]+)[?]lang=ja"', answer.text)
    asked = client.get(f"{PAGE}?show=excluded&lang=en").text
    assert f'href="{PAGE}?show=excluded&amp;lang=ja"' in asked
    assert link is not None
    assert link[1] == PAGE
    assert "data-sent" in answer.text
    assert "data-sent" not in client.get(link[1]).text
    named = client.post("/new-study", data={"name": "a name"})
    assert 'href="/new-study?lang=ja"' in named.text


def test_the_opened_folder_is_named_where_a_folder_in_it_is_asked_for(
    client: TestClient, study: Path, folder: Path
) -> None:
    for address in ("/", PAGE):
        assert f"<code>{folder}</code>" in client.get(address).text, address


def test_that_no_row_has_a_problem_is_no_complaint(client: TestClient, study: Path) -> None:
    (study / "manifest.csv").write_text(f"{HEADER}\n{ROWS[0]}\n")
    assert "No row has a problem." in client.get(f"{PAGE}?show=problems").text


def test_a_table_outside_the_opened_folder_is_only_looked_at(client: TestClient, folder: Path) -> None:
    (folder.parent / "far.csv").write_text("\n".join([HEADER, ROWS[0]]))
    open_study(folder / "far", manifest=folder.parent / "far.csv")
    page = client.get("/studies/far/cases")
    assert "lies outside the opened folder" in page.text
    assert "<form" not in page.text
    assert client.post("/studies/far/cases/row", data={"line": "2", "cell-age": "1"}).status_code == 403


def test_a_header_out_of_order_is_told_above_the_rows(client: TestClient, study: Path) -> None:
    (study / "manifest.csv").write_text("case_id,patient,institution,image\nc1,Jane,North,i\n")
    page = client.get(PAGE)
    assert "column &#39;mask&#39;: is missing" in page.text
    assert "Jane" not in page.text
    assert "Edit" not in page.text


def test_texts_of_a_table_are_no_html(client: TestClient, study: Path) -> None:
    save(client, 2, histology='<script>alert("x")</script>')
    assert "<script>alert" not in client.get(f"{PAGE}?edit=2").text


def test_711_rows_are_laid_out_at_once(client: TestClient, study: Path) -> None:
    """The whole answer, on a shared core; the browser's part is measured there."""
    rows = [
        f"c{n},P{n // 2},H{n % 17},i/{n}.nii.gz,m/{n}.nii.gz,,{n % 90},{'' if n % 5 else 'X'},,," for n in range(711)
    ]
    (study / "manifest.csv").write_text("\n".join([HEADER, *rows]))
    client.get(PAGE)
    started = time.process_time()
    page = client.get(PAGE)
    assert time.process_time() - started < 1.5
    assert page.text.count('<tr id="line-') == 711
    assert page.text.count("<tr ") == client.get(f"{PAGE}?show=problems").text.count("<tr ")  # none of the files exists
