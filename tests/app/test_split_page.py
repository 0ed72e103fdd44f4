"""The page of the split: a move writes one column for a whole institution, and the audit says what it means."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from nnunet_amt import paper
from nnunet_amt.app import split_page, split_prints, split_view
from nnunet_amt.app.case_table import read_case_table
from nnunet_amt.base.files import read_rows, write_csv
from nnunet_amt.cohort import assign_splits, read_manifest
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.errors import SplitLeakageError
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders, read_settings, write_settings
from tests.app.split_cohorts import COLUMNS, paper_rows, row, small_rows, write_study
from tests.dataset_conversion.cohort_fixtures import make_ct, write_cohort, write_image

if TYPE_CHECKING:
    from starlette.testclient import TestClient

PAGE = "/studies/one/split"


@pytest.fixture
def study(folder: Path) -> Path:
    return write_study(folder / "one", small_rows(divided=True))


@pytest.fixture
def undivided(folder: Path) -> Path:
    return write_study(folder / "one", small_rows(divided=False))


def text_of(page: Any) -> str:
    """Give the words of a page as they are read, each part on a line."""
    without = re.sub(r"<(script|style).*?</\1>", "", page.text, flags=re.DOTALL)
    return "\n".join(
        line for part in re.sub(r"<[^>]+>", "\n", without).splitlines() if (line := html.unescape(part).strip())
    )


def digest_in(page: Any) -> str:
    found = re.search(r'name="digest" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def post(client: TestClient, what: str, **data: str | list[str]) -> Any:
    return client.post(f"{PAGE}/{what}", data={"digest": digest_in(client.get(PAGE)), **data})


def splits_of(study: Path, institution: str = "") -> dict[str, int]:
    """Count what stands in the column of the split, of one institution or of all; excluded rows apart."""
    rows = read_rows(study / "manifest.csv")
    asked = [
        one
        for one in rows
        if not one["exclusion_reason"] and one["institution"] in (institution or one["institution"],)
    ]
    return dict(Counter(one["split"] for one in asked))


def line_of(study: Path, institution: str) -> int:
    table = read_case_table(study / "manifest.csv")
    return next(line for line in table.rows if table.cell(line, "institution") == institution)


def card_of(page: Any, line: int) -> str:
    found = re.search(rf'<li class="institution[^>]*id="institution-{line}".*?</li>', page.text, re.DOTALL)
    assert found, page.text
    return html.unescape(found[0])


def column_of(page: Any, place: str) -> str:
    found = re.search(rf'<section class="board-column" data-place="{place}".*?</section>', page.text, re.DOTALL)
    assert found
    return html.unescape(found[0])


def test_each_institution_is_a_card_in_the_column_of_its_set(client: TestClient, study: Path) -> None:
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "Training 4, Tuning 2" in card_of(page, line_of(study, "North"))
    for place, names in {"shared": ["North"], "training": ["South"], "external": ["East", "West"], "none": []}.items():
        column = column_of(page, place)
        assert re.findall(r"<span>(North|South|East|West)</span>", column) == names
    assert "Cases: 7; institutions: 2" in column_of(page, "training")  # 4 of North and 3 of South
    assert "Paper: 485 cases, 13 institutions" in column_of(page, "training")
    assert "Cases: 2; institutions: 1" in column_of(page, "tuning")
    assert "Nothing leaks by the table" in text_of(page)
    assert "Audit: nothing leaks." in text_of(page)
    assert "MRN" not in page.text


def test_a_move_writes_the_split_of_all_rows_of_the_institution_at_once(client: TestClient, study: Path) -> None:
    before = (study / "manifest.csv").read_bytes()
    answer = post(client, "move", move=f"external {line_of(study, 'South')}")
    assert answer.status_code == 200
    assert "South is moved to: External test. Cases: 3." in text_of(answer)
    assert splits_of(study, "South") == {"external": 3}
    assert splits_of(study) == {"training": 4, "tuning": 2, "external": 6}
    assert (study / "manifest.csv.before").read_bytes() == before
    answer = post(client, "undo")
    assert (study / "manifest.csv").read_bytes() == before
    assert "The last change is taken back." in text_of(answer)


def test_several_are_moved_in_one_change_and_excluded_rows_keep_theirs(client: TestClient, study: Path) -> None:
    lines = [str(line_of(study, name)) for name in ("East", "West")]
    answer = post(client, "move", line=lines, to="training")
    assert "2 institutions are moved to: Training." in text_of(answer)
    assert splits_of(study) == {"training": 10, "tuning": 2}
    assert [one["split"] for one in read_rows(study / "manifest.csv") if one["exclusion_reason"]] == ["external"]
    assert "No case is in: External test." in text_of(answer)


def test_an_institution_is_drawn_by_patient_into_training_and_tuning(client: TestClient, study: Path) -> None:
    """Three patients of South: a third of a case is wanted, and at least one patient tunes."""
    answer = post(client, "move", line=[str(line_of(study, "South"))], to="shared")
    assert splits_of(study, "South") == {"training": 2, "tuning": 1}
    assert "<span>South</span>" in column_of(answer, "shared")
    assert "Nothing leaks by the table" in text_of(answer)
    answer = post(client, "move", line=[str(line_of(study, "West"))], to="shared")
    assert answer.status_code == 400
    assert "'West' with a tumour who can be drawn: 1" in text_of(answer)
    assert splits_of(study, "West") == {"external": 1}


def test_two_tabs_do_not_write_over_each_other(client: TestClient, study: Path) -> None:
    digest = digest_in(client.get(PAGE))
    post(client, "move", move=f"external {line_of(study, 'South')}")
    for what, data in (("move", {"move": f"tuning {line_of(study, 'North')}"}), ("clear", {}), ("take", {})):
        answer = client.post(f"{PAGE}/{what}", data={"digest": digest, **data})
        assert answer.status_code == 409
        assert "was changed since this page was loaded" in text_of(answer)
    assert splits_of(study) == {"training": 4, "tuning": 2, "external": 6}


@pytest.mark.parametrize("data", [{"move": "nowhere 2"}, {"move": "external 99"}, {"to": "external"}, {"move": "x y"}])
def test_what_is_no_move_changes_nothing(client: TestClient, study: Path, data: dict[str, str]) -> None:
    before = (study / "manifest.csv").read_bytes()
    assert post(client, "move", **data).status_code == 400
    assert (study / "manifest.csv").read_bytes() == before


def test_without_a_split_the_page_shows_what_the_program_would_choose(client: TestClient, undivided: Path) -> None:
    """164 of 711 of 12 cases are 2.8: West and East, 3 cases, test."""
    page = client.get(PAGE)
    assert "the program decides when the study runs" in text_of(page)
    assert "Cases: 12; institutions: 4" in column_of(page, "none")
    assert "The program would choose: External test 2" in card_of(page, line_of(undivided, "East"))
    assert "Nothing leaks by the table" in text_of(page)
    shown = client.get(f"{PAGE}?proposal=program")
    assert "Nothing is written yet." in text_of(shown)
    assert splits_of(undivided) == {"": 12}
    before = read_manifest(undivided / "manifest.csv").cases
    answer = client.post(f"{PAGE}/take", data={"digest": digest_in(shown), "proposal": "program"})
    assert "The proposed split is written into the table." in text_of(answer)
    assert (splits_of(undivided, "West"), splits_of(undivided, "East")) == ({"external": 1}, {"external": 2})
    cases = {case.line: case.split for case in assign_splits(before)}
    table = read_case_table(undivided / "manifest.csv")
    assert {line: table.cell(line, "split") for line in cases} == cases  # as the conversion would have drawn
    answer = post(client, "clear")
    assert splits_of(undivided) == {"": 12}
    assert "The table names no set any more" in text_of(answer)


def test_a_table_without_the_column_gets_it_with_the_first_move(client: TestClient, folder: Path) -> None:
    place = COLUMNS.index("split")
    rows = [[cell for column, cell in enumerate(one) if column != place] for one in small_rows(divided=False)]
    study = write_study(folder / "one", rows, columns=[*COLUMNS[:place], *COLUMNS[place + 1 :]])
    answer = post(client, "clear")
    assert not (study / "manifest.csv.before").exists()  # nothing was there to empty
    answer = post(client, "move", move=f"external {line_of(study, 'East')}")
    assert splits_of(study) == {"external": 2, "": 10}
    assert "Cases without a set while others have one: 10 (North, South, West)" in text_of(answer)


def test_the_rest_is_drawn_round_a_chosen_external_test_set(client: TestClient, undivided: Path) -> None:
    """South is chosen to test, which the program would not do; of the 9 others one case tunes."""
    assert "no institution is in the external test set" in text_of(client.get(f"{PAGE}?proposal=rest"))
    post(client, "move", move=f"external {line_of(undivided, 'South')}")
    shown = client.get(f"{PAGE}?proposal=rest")
    client.post(f"{PAGE}/take", data={"digest": digest_in(shown), "proposal": "rest"})
    assert splits_of(undivided, "South") == {"external": 3}
    assert splits_of(undivided) == {"external": 3, "training": 8, "tuning": 1}
    assert "Nothing leaks by the table" in text_of(client.get(PAGE))


def test_leaks_are_told_by_institution_and_line_and_nothing_is_printed_of_them(
    client: TestClient, folder: Path
) -> None:
    rows = [
        row(1, "North", "training", patient="MRN-X"),
        row(2, "North", "external"),
        row(3, "South", "tuning", patient="MRN-X"),
        row(4, "East", "external"),
    ]
    write_study(folder / "one", rows)
    page = client.get(PAGE)
    words = text_of(page)
    assert "North has cases in: Training, External test (lines 3)." in words
    assert "One patient has CTs in: Training, Tuning (lines 2, 4; North, South)." in words
    assert "MRN-X" not in page.text
    assert "mend what the audit names first" in words
    assert "Audit: 2 to be mended before the study can run." in words
    assert client.get(f"{PAGE}/figure_2.svg").status_code == 404
    answer = client.get(f"{PAGE}?lang=ja")
    assert "1人の患者のCTが学習、チューニングにまたがっています（行：2、4、施設：North、South）" in text_of(answer)


def test_spellings_of_an_institution_are_one_card_and_move_together(client: TestClient, folder: Path) -> None:
    rows = [
        row(1, "St. X", "training"),
        row(2, "st x", "external"),
        row(3, "North", "tuning"),
        row(4, "East", "external"),
    ]
    study = write_study(folder / "one", rows)
    card = card_of(client.get(PAGE), 2)
    assert "Also written: st x." in card
    assert "sets that must stand apart" in card
    answer = post(client, "move", move="training 2")
    assert (splits_of(study, "St. X"), splits_of(study, "st x")) == ({"training": 1}, {"training": 1})
    assert "Nothing leaks by the table" in text_of(answer)


def test_one_institution_cannot_be_divided_by_the_program(client: TestClient, folder: Path) -> None:
    write_study(folder / "one", [row(number, "North") for number in range(4)])
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "1 institution (or group that shares patients) cannot be divided" in text_of(page)
    shown = client.get(f"{PAGE}?proposal=program")
    assert shown.status_code == 400
    assert "cannot be divided" in text_of(shown)


def test_rows_with_problems_are_moved_and_not_drawn(client: TestClient, study: Path) -> None:
    text = (study / "manifest.csv").read_text().replace(",training,50,", ",trainning,50,").replace(",51,", ",251,")
    (study / "manifest.csv").write_text(text)
    page = client.get(PAGE)
    assert "Rows with a problem: 2." in text_of(page)
    assert "trainning 1" in card_of(page, 2)
    assert "2 rows have a problem" in text_of(client.get(f"{PAGE}?proposal=program"))
    assert "line 2: has a problem" in text_of(post(client, "move", line=["2"], to="shared"))
    post(client, "move", move="training 2")
    assert splits_of(study, "North") == {"training": 6}


def test_a_setting_that_contradicts_the_table_is_told_and_taken_out(client: TestClient, study: Path) -> None:
    write_settings(study, read_settings(study).changed({"convert": {"external_cases": 3, "seed": 5}}))
    assert "a split to be drawn (external_cases)" in text_of(client.get(PAGE))
    answer = post(client, "settings")
    assert "The settings are taken out." in text_of(answer)
    assert read_settings(study).convert.external_cases is None
    assert read_settings(study).convert.seed == 5
    assert "a split to be drawn" not in text_of(answer)


def test_the_program_s_choice_follows_the_settings_of_the_study(client: TestClient, undivided: Path) -> None:
    (undivided / "external.txt").write_text("South\n")
    write_settings(undivided, read_settings(undivided).changed({"convert": {"external_institutions": "external.txt"}}))
    shown = client.get(f"{PAGE}?proposal=program")
    client.post(f"{PAGE}/take", data={"digest": digest_in(shown), "proposal": "program"})
    assert splits_of(undivided, "South") == {"external": 3}
    assert splits_of(undivided)["external"] == 3


def test_a_list_of_institutions_outside_the_folder_is_not_read(client: TestClient, undivided: Path) -> None:
    settings = read_settings(undivided).changed({"convert": {"external_institutions": "/etc/hostname"}})
    write_settings(undivided, settings)
    assert "lies outside the opened folder" in text_of(client.get(PAGE))


def test_counts_stand_beside_the_paper_s(client: TestClient, folder: Path) -> None:
    write_study(folder / "one", paper_rows(divided=True))
    words = text_of(client.get(PAGE)).split("\n")
    for title, ours in (("Cases", ["485", "62", "164", "711"]), ("Institutions", ["13", "4", "121", "136"])):
        place = max(number for number, word in enumerate(words) if word == title and words[number + 1] == ours[0])
        assert words[place + 1 : place + 9] == [part for number in ours for part in (number, f"paper: {number}")]
    assert "Age: median (range)" in words and "paper: 58.0 (20–87)" in words
    assert "Slice thickness, mm: median (range)" in words and "5.0 (5–5)" in words


def test_phantoms_do_not_stand_beside_the_paper_s(client: TestClient, study: Path) -> None:
    (study / "manifest.notes.json").write_text(json.dumps({"subjects": "phantoms"}))
    page = client.get(PAGE)
    assert "paper:" not in text_of(page)
    assert "Paper: 485 cases" not in text_of(page)
    assert "published" not in client.get(f"{PAGE}/table_1.csv").text


def test_figure_and_tables_are_those_that_will_be_printed(client: TestClient, folder: Path) -> None:
    write_study(folder / "one", [*paper_rows(divided=True), row(900, "North", exclusion_reason="incomplete CT")])
    figure = client.get(f"{PAGE}/figure_2.svg?save")
    assert figure.headers["content-disposition"] == "attachment; filename*=UTF-8''one_figure_2.svg"
    words = ["".join(one.itertext()).strip() for one in ElementTree.fromstring(figure.text).iter() if "text" in one.tag]
    for said in ("485 cases", "from 13 institutions", "711 cases", "712 cases", "incomplete CT"):
        assert said in words
    assert client.get(f"{PAGE}/figure_2.png").content.startswith(b"\x89PNG")
    assert client.get(f"{PAGE}/figure_2.pdf").content.startswith(b"%PDF")
    assert client.get(f"{PAGE}/figure_2.exe").status_code == 404
    assert client.get(f"{PAGE}/table_3.csv").status_code == 404
    table = client.get(f"{PAGE}/table_1.csv")
    assert "cases,,485,62,164,711,711" in table.content.decode("utf-8-sig")
    assert f"cases,,164,{paper.EXTERNAL_CASES}" in client.get(f"{PAGE}/table_2.csv").text


def test_711_cases_are_read_once_a_state_and_no_figure_is_drawn_for_the_page(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound on the work, not on seconds: the table is checked once for as often as it is shown."""
    write_study(folder / "one", paper_rows(divided=True))
    work: Counter[str] = Counter()

    def count(module: object, name: str) -> None:
        real = getattr(module, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            work[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    from nnunet_amt.app import case_table

    count(case_table, "check_manifest")
    count(split_view, "planned_cohort")
    count(split_prints, "flow_figure")
    pages = [client.get(PAGE) for _ in range(3)]
    assert work == {"check_manifest": 1, "planned_cohort": 3}
    assert pages[0].text.count('<li class="institution') == paper.INSTITUTIONS
    assert len(pages[0].content) < 400_000
    for _ in range(2):
        client.get(f"{PAGE}/figure_2.svg")
    assert work["flow_figure"] <= 1


def test_a_search_shows_the_cards_of_that_name(client: TestClient, folder: Path) -> None:
    write_study(folder / "one", paper_rows(divided=True))
    page = client.get(f"{PAGE}?find=centre 1")
    assert re.findall(r"<span>([^<]+)</span>", column_of(page, "shared") + column_of(page, "tuning")) == [
        *("Centre 11", "Centre 12", "Centre 13", "Centre 14")
    ]
    assert "Cases: 164; institutions: 121" in column_of(page, "external")  # counted, though none is shown


def test_a_table_outside_the_folder_is_shown_and_not_changed(client: TestClient, folder: Path) -> None:
    write_csv(folder.parent / "manifest.csv", COLUMNS, small_rows(divided=True))
    study = write_study(folder / "one", small_rows(divided=True))
    settings = (study / "study.toml").read_text().replace('"manifest.csv"', '"../../manifest.csv"')
    (study / "study.toml").write_text(settings)
    page = client.get(PAGE)
    assert "outside the opened folder" in text_of(page)
    assert "Move the marked institutions" not in text_of(page)
    answer = client.post(f"{PAGE}/clear", data={"digest": digest_in(page)})
    assert answer.status_code == 403
    assert "external" in (folder.parent / "manifest.csv").read_text()


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0"])
def test_a_broken_table_is_told(client: TestClient, study: Path, content: str) -> None:
    (study / "manifest.csv").write_text(content)
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "cannot be read" in text_of(page)
    assert client.get(f"{PAGE}/table_1.csv").status_code == 404


def test_names_of_institutions_are_text_and_nothing_else(client: TestClient, folder: Path) -> None:
    name = '<script>alert(1)</script>" onload="x'
    write_study(folder / "one", [row(1, name, "training"), row(2, "B", "tuning"), row(3, "C", "external")])
    page = client.get(PAGE)
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@pytest.fixture
def converted(folder: Path) -> Path:
    """A study of four cases whose CTs are read: three of North that learn and tune, one of East that tests."""
    write_cohort(folder / "one")
    open_study(folder / "one", manifest=folder / "one" / "manifest.csv")
    convert(folder / "one" / "manifest.csv", folder / "one" / "nnUNet_raw", dataset_id=711)
    return folder / "one"


def test_what_a_change_means_after_cts_were_read(client: TestClient, converted: Path) -> None:
    page = client.get(PAGE)
    assert "CTs that an earlier run has read and that were compared voxel for voxel: 4." in text_of(page)
    assert "than when the CTs were read" not in text_of(page)
    post(client, "move", move="training 4")
    answer = post(client, "move", move="external 2")
    assert "Cases that are in another set than when the CTs were read: 4." in text_of(answer)
    assert "The trained model belongs to another split" not in text_of(answer)


@pytest.mark.parametrize("converted_again", [False, True])
def test_a_model_must_not_be_tested_on_what_it_has_learnt(
    client: TestClient, converted: Path, converted_again: bool
) -> None:
    """North's three have been learnt; also where the CTs were put into the new sets since, the model's list tells."""
    at = StudyFolders.of(converted, read_settings(converted))
    at.fold_folder.mkdir(parents=True)
    (at.fold_folder / "checkpoint_latest.pth").write_bytes(b"weights")
    (at.fold_folder.parent / "dataset.json").write_bytes((at.raw / "dataset.json").read_bytes())
    assert "The trained model" not in text_of(client.get(PAGE))
    rows = {
        number: {"split": ("tuning" if number else "external") if number != 2 else "training"} for number in range(4)
    }
    institutions = ("East", "North", "North", "North")
    cells = {number: {**rows[number], "institution": name} for number, name in enumerate(institutions)}
    write_cohort(converted, cells)
    if converted_again:
        convert(converted / "manifest.csv", converted / "nnUNet_raw", dataset_id=711)
    words = text_of(client.get(PAGE))
    assert ("than when the CTs were read" in words) is not converted_again
    assert "The trained model belongs to another split than this. Move its folder (nnUNet_results/" in words
    assert "Cases of this external test set that the model has learnt from: 1." in words


def test_equal_cts_of_an_earlier_run_are_told(client: TestClient, folder: Path) -> None:
    study = folder / "one"
    write_cohort(study)
    write_image(study / "ct" / "2.nii.gz", make_ct(0))
    open_study(study, manifest=study / "manifest.csv")
    with pytest.raises(SplitLeakageError):
        convert(study / "manifest.csv", study / "nnUNet_raw", dataset_id=711)
    words = text_of(client.get(PAGE))
    assert "CTs that were read before are the same under two cases:" in words
    assert "case 'c0' (line 2, training) and case 'c2' (line 4, external) are the same CT" in words
    assert "Nothing leaks" not in words
    assert "Patient-" not in words


def test_lesions_are_told_where_they_were_counted(client: TestClient, converted: Path) -> None:
    """East's one case has two lesions by the evaluation; of the others nobody knows."""
    external = next((converted / "nnUNet_raw" / "Dataset711_AMT" / "imagesTs").glob("*.nii.gz"))
    name = external.name.removesuffix("_0000.nii.gz")
    assert "is not known before the outlines are measured" in text_of(client.get(PAGE))
    write_csv(converted / "evaluation" / "cases.csv", ("case_id", "reference_lesions"), [(name, 2)])
    words = text_of(client.get(PAGE))
    assert "Lesions\n–\n–\n2 (cases: 1)\n2 (cases: 1)" in words


def test_a_running_study_goes_on_with_the_split_that_it_has_read(
    client: TestClient, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = SimpleNamespace(is_over=False)
    monkeypatch.setattr(split_page, "last_job", lambda store, name: running)
    assert "The study is running, with the split that it has read." in text_of(client.get(PAGE))
