"""The sections of a study of risk: what stands open, what is folded, and what is missing or damaged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.report import write_report
from nnunet_amt.report.sections.risk import Risk, risk_sections
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.study import find_study
from nnunet_amt.study.risk_results import RiskResult
from nnunet_amt.study.study_files import RISK_TASKS, risk_files
from nnunet_amt.writing.document_file import DocumentFile
from nnunet_amt.writing.table import Document
from tests.report.studies import PageReader, write_lesion_study, write_risk_study

INJECTION = '"><img src=x onerror=alert(1)> (<script>alert(1)</script>)'


@pytest.fixture(scope="module")
def risk_study(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with a study of risk of the same dataset in its folder, all three tasks."""
    folder = tmp_path_factory.mktemp("risk") / "study"
    shutil.copytree(study, folder)
    cohort_file = folder / "nnUNet_raw" / "Dataset711_Tiny" / "cohort.csv"
    write_risk_study(folder, cohort_file=cohort_file)
    write_lesion_study(folder, cohort_file=cohort_file)
    return folder


@pytest.fixture(scope="module")
def content(risk_study: Path) -> StudyContent:
    return read_study_content(find_study(risk_study))


@pytest.fixture(scope="module")
def page(risk_study: Path) -> str:
    """The page of the whole study."""
    return write_report(risk_study, risk_study / "page.html", viewer=False).path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section(page: str) -> str:
    """The section of low and high risk."""
    return section_of(page)


@pytest.fixture
def copied(risk_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(risk_study, tmp_path / "study"))


def section_of(page: str, task: str = "risk") -> str:
    found = re.search(rf'<section id="{task}".*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def shown(content: StudyContent, task: str = "risk") -> Risk:
    [section] = [section for section in risk_sections(content) if section.anchor == task]
    assert isinstance(section.content, Risk)
    return section.content


def with_result(content: StudyContent, task: str = "risk", **changes: Any) -> StudyContent:
    return replace(content, risk={**content.risk, task: replace(content.risk[task], **changes)})


def documents_of(result: RiskResult) -> tuple[Document, Document]:
    assert result.evaluation is not None
    assert result.readers is not None
    return result.evaluation, result.readers


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_study_has_a_section_for_each_task_behind_the_segmentation(page: str) -> None:
    places = [page.index(f'<section id="{name}"') for name in ("comparison", "risk", "binary", "multiclass")]
    assert places == sorted(places)
    assert places[-1] < page.index('id="settings-title"')
    for anchor, title in (
        ("risk", "Low or high risk"),
        ("binary", "Benign or malignant, with CTC"),
        ("multiclass", "Class of the lesion, with CTC"),
    ):
        assert f'<li><a href="#{anchor}">{title}</a></li>' in page


def test_the_result_stands_open_and_says_of_what_it_is(section: str) -> None:
    """Ten cases, so few that nothing is better than the clinical baseline; three models looked."""
    opened = re.sub(r"<details.*?</details>", "", section, flags=re.DOTALL)
    text = PageReader(opened).text()
    words = (
        "Research use only.",
        "6 cases of the training centres (3 low risk, 3 high risk) and 4 external cases",
        "At the threshold frozen on the out-of-fold scores",
        "4 cases are too few to tell whether it is better",
        "The external set was looked at 3 times",
        "The cases are phantoms",
        "ROC curves of all models, out of fold and external.",
        "Table 2: models",
    )
    assert sorted(words, key=text.index) == list(words)
    assert PageReader(opened).all("table") == [{"class": "narrow"}]
    assert len(PageReader(opened).all("img")) == 1


def test_everything_else_is_folded_and_nothing_passed_over(section: str, content: StudyContent) -> None:
    headings = re.findall(r"<summary><h3>(.*?)</h3>", section)
    assert headings == [
        *("Cases, and Table 1", "Models at a sensitivity of 0.90, and compared", "Calibration and decision curve"),
        *("Subgroups", "Readers without and with AI"),
    ]
    evaluation, readers = documents_of(content.risk["risk"])
    tables = [*evaluation.tables, *readers.tables]
    assert sorted(re.findall(r"<caption>(.*?)</caption>", section)) == sorted(
        table.title.replace("'", "&#39;") for table in tables
    )
    assert len(PageReader(section).all("img")) == len(evaluation.pictures) + len(readers.pictures) == 4
    assert "More" not in headings


def test_a_table_and_a_figure_of_no_part_are_shown_too(content: StudyContent) -> None:
    """A later version may write some that this page has no heading for."""
    evaluation, _ = documents_of(content.risk["risk"])
    table, picture = evaluation.tables[0], evaluation.pictures[0]
    more = shutil.copy(picture.file, picture.file.with_name("risk_more.png"))
    document = replace(
        evaluation,
        tables=(*evaluation.tables, replace(table, title="Net benefit")),
        pictures=(*evaluation.pictures, replace(picture, file=Path(more))),
    )
    parts = shown(with_result(content, evaluation=document)).parts
    assert [part.title for part in parts[-2:]] == ["More", "Readers without and with AI"]
    assert [table.title for table in parts[-2].tables] == ["Net benefit"]
    assert len(parts[-2].figures) == 1


def test_simulated_readers_are_called_so_before_they_are_unfolded(section: str) -> None:
    assert '<span class="fold-about">6 simulated readers read 10 cases' in section
    assert "The readers are simulated (Roe and Metz) at the published AUCs: they are no people." in section


def test_a_study_without_one_has_no_such_section(content: StudyContent) -> None:
    assert risk_sections(replace(content, risk={})) == []


def test_the_dataset_is_told_where_it_is_another(content: StudyContent, tmp_path: Path) -> None:
    assert not any("of the segmentation" in note for note in shown(content).notes)
    other = replace(content, study=replace(content.study, dataset=tmp_path))
    assert shown(other).notes[0] == "These cases are of another dataset than those of the segmentation, " \
        "Dataset711_Tiny."  # fmt: skip
    unknown = replace(content, study=replace(content.study, dataset=None))
    assert shown(unknown).notes[0] == "Whether these cases are of the dataset of the segmentation is not known."


def test_what_is_missing_is_named_with_its_command(content: StudyContent) -> None:
    evaluation, _ = documents_of(content.risk["risk"])
    without_figures = shown(with_result(content, evaluation=replace(evaluation, pictures=()), readers=None))
    assert [(part.what, part.commands) for part in without_figures.missing] == [
        ("The evaluation of the study of risk holds no risk_roc.png.", ("nnunet_amt risk evaluate 711 -o risk",)),
        (
            "No readers without and with AI were analysed.",
            ("nnunet_amt risk readers 711 -o risk --table readers.csv",),
        ),
    ]
    readers_alone = shown(with_result(content, evaluation=None))
    assert [part.title for part in readers_alone.parts] == ["Readers without and with AI"]
    assert readers_alone.missing[0].commands == ("nnunet_amt risk evaluate 711 -o risk",)


def test_the_record_of_the_page_names_all_files(risk_study: Path, page: str) -> None:
    run = newest_run(risk_study, "report")
    assert run is not None
    of_lesions = {"binary", "binary_readers", "multiclass", "multiclass_readers"}
    assert {"risk", "readers"} | of_lesions <= set(run["inputs"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("risk", RISK_TASKS["risk"].summary),
        ("readers", RISK_TASKS["risk"].readers),
        ("binary", RISK_TASKS["binary"].summary),
        ("multiclass_readers", RISK_TASKS["multiclass"].readers),
    ],
)
def test_a_damaged_file_and_one_of_another_version_end_the_command_in_one_line(
    copied: Path, name: str, kind: DocumentFile
) -> None:
    path = risk_files(copied)[name]
    again = f"; run nnunet_amt {kind.command} again$"
    changed(path, lambda content: content.update(schema_version=0))
    with pytest.raises(BadInputError, match=f"{kind.name}: is of version 0, not 1{again}"):
        write_report(copied, copied / "page.html", viewer=False)
    path.write_text('{"schema_version": 1, "sentences": 3}')
    with pytest.raises(BadInputError, match=rf"{kind.name}: is damaged \(sentences is 3\){again}"):
        write_report(copied, copied / "page.html", viewer=False)
    path.write_text("{")
    with pytest.raises(BadInputError, match=rf"{kind.name}: is damaged \(no JSON: .*\){again}"):
        write_report(copied, copied / "page.html", viewer=False)


@pytest.mark.parametrize("task", ["risk", "binary", "multiclass"])
def test_facts_of_another_form_are_refused_too(copied: Path, task: str) -> None:
    changed(risk_files(copied)[task], lambda content: content["cases"]["external"].update(institutions="two"))
    with pytest.raises(
        BadInputError,
        match=r'_summary.json: is damaged \(cases.external.institutions is "two"\); run nnunet_amt risk evaluate',
    ):
        write_report(copied, copied / "page.html", viewer=False)


def test_a_figure_that_is_no_picture_is_named(copied: Path) -> None:
    (copied / "risk" / "evaluation" / "risk_roc.png").write_text("<svg/>")
    with pytest.raises(BadInputError, match=r"risk_roc.png: is not a PNG; run the command that made it again"):
        write_report(copied, copied / "page.html", viewer=False)


def test_texts_of_others_are_texts(copied: Path) -> None:
    """Sentences, notes, titles, cells and the words of pictures, and none of them needs what the policy forbids."""

    def inject(content: dict[str, Any]) -> None:
        content["sentences"] = [INJECTION]
        content["pictures"] = [{**picture, "text": INJECTION} for picture in content["pictures"]]
        document = content["document"]
        document |= {"title": INJECTION, "notes": [INJECTION], "left_out": [INJECTION]}
        for table in document["tables"]:
            table |= {"heading": INJECTION, "notes": [INJECTION], "columns": [INJECTION for _ in table["columns"]]}
            for row in table["rows"]:
                row |= {"title": INJECTION, "cells": [INJECTION for _ in row["cells"]]}

    for path in risk_files(copied).values():
        changed(path, inject)
    text = write_report(copied, copied / "page.html", viewer=False).path.read_text(encoding="utf-8")
    page = PageReader("".join(section_of(text, task) for task in RISK_TASKS))
    assert page.text().count(INJECTION) > 100
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in page.all("img"))
    assert not page.blocks
    for _, attributes in page.elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes)


OPEN = {
    "binary": ("benign or malignant is told by pathology", "Table 3: benign or malignant"),
    "multiclass": ("class of a lesion is told by pathology", "Classes of lesions, in the form of Table 3"),
}
FOLDED = {
    "binary": (
        *("Cases, and Tables 1 and 2", "DMFN against the others", "What CTC adds", "What each lesion was called"),
        *("Calibration and decision curve", "CTC levels of the sets", "Each training"),
        "Simulated readers without and with CTC, binary task",
    ),
    "multiclass": (
        *("DMFN against the others", "What CTC adds", "What each lesion was called", "Each training"),
        "Simulated readers without and with CTC, multiclass task",
    ),
}


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_of_lesions_sentences_roc_and_table_3_stand_open(page: str, task: str) -> None:
    opened = re.sub(r"<details.*?</details>", "", section_of(page, task), flags=re.DOTALL)
    reader = PageReader(opened)
    words = ("Research use only.", *OPEN[task][:1], "15 external cases (5 benign, 10 malignant)")
    assert sorted(words, key=reader.text().index) == list(words)
    assert "The cases are phantoms" in reader.text()
    assert re.findall(r"<caption>(.*?)</caption>", opened)[0].startswith(OPEN[task][-1])
    assert len(reader.all("table")) == 1
    assert "No readers" not in reader.text()


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_of_lesions_all_else_is_folded_and_nothing_passed_over(page: str, content: StudyContent, task: str) -> None:
    """What both tasks share, word for word, stands with the first."""
    section = section_of(page, task)
    assert tuple(re.findall(r"<summary><h3>(.*?)</h3>", section)) == FOLDED[task]
    of_both = "".join(section_of(page, name) for name in ("binary", "multiclass"))
    captions = re.findall(r"<caption>(.*?)</caption>", section if task == "binary" else of_both)
    for document in documents_of(content.risk[task]):
        for table in document.tables:
            assert table.title.replace("'", "&#39;") in captions
    told = "told there: \u201cCases, and Tables 1 and 2\u201d and \u201cCTC levels of the sets\u201d."
    assert any(told in note for note in shown(content, task).notes) is (task == "multiclass")


def test_cases_of_a_task_that_differ_are_told_of_each(content: StudyContent) -> None:
    evaluation, _ = documents_of(content.risk["multiclass"])
    flow = replace(evaluation.tables[0], notes=("One more.",))
    other = with_result(content, "multiclass", evaluation=replace(evaluation, tables=(flow, *evaluation.tables[1:])))
    assert shown(other, "multiclass").parts[0].title == "Cases, and Tables 1 and 2"


def test_a_curve_that_could_not_be_drawn_is_not_missing(content: StudyContent) -> None:
    """Of too few cases: the sentences say why, and the command would draw none either."""
    result = content.risk["binary"]
    evaluation, _ = documents_of(result)
    pictures = tuple(picture for picture in evaluation.pictures if picture.file.name != "lesion_roc.png")
    facts = replace(result.facts, drawn=result.facts.drawn - {"lesion_roc.png"})
    evaluation = replace(evaluation, pictures=pictures)
    assert len(shown(with_result(content, "binary", evaluation=evaluation), "binary").missing) == 1
    assert shown(with_result(content, "binary", evaluation=evaluation, facts=facts), "binary").missing == ()


def test_of_lesions_what_is_missing_is_named_with_its_command(content: StudyContent) -> None:
    evaluation, _ = documents_of(content.risk["binary"])
    binary = replace(content.risk["binary"], evaluation=replace(evaluation, pictures=()), readers=None)
    missing = shown(replace(content, risk={"binary": binary}), "binary").missing
    assert [(part.what, part.commands) for part in missing] == [
        (
            "The evaluation of the study of benign and malignant lesions (binary) holds no lesion_roc.png.",
            ("nnunet_amt risk evaluate 711 -o risk --task binary",),
        ),
        (
            "No readers without and with CTC were analysed.",
            ("nnunet_amt risk readers 711 -o risk --task binary --table readers.csv",),
        ),
        (
            "The study of classes of lesions (multiclass) has no evaluation yet.",
            ("nnunet_amt risk evaluate 711 -o risk --task multiclass",),
        ),
    ]
    [readers_alone] = shown(with_result(content, "multiclass", evaluation=None), "multiclass").missing
    assert readers_alone.what == (
        "The study of classes of lesions (multiclass) has readers and no evaluation of its models "
        "(lesion_summary.json)."
    )
    assert readers_alone.commands == ("nnunet_amt risk evaluate 711 -o risk --task multiclass",)
