"""The section of a study of risk: what stands open, what is folded, and what is missing or damaged."""

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
from nnunet_amt.report.sections.risk import Risk, risk_section
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.study import find_study
from nnunet_amt.study.study_files import READER_STUDY, RISK_SUMMARY, risk_files
from tests.report.studies import PageReader, write_risk_study

INJECTION = '"><img src=x onerror=alert(1)> (<script>alert(1)</script>)'


@pytest.fixture(scope="module")
def risk_study(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with a study of risk of the same dataset in its folder."""
    folder = tmp_path_factory.mktemp("risk") / "study"
    shutil.copytree(study, folder)
    write_risk_study(folder, cohort_file=folder / "nnUNet_raw" / "Dataset711_Tiny" / "cohort.csv")
    return folder


@pytest.fixture(scope="module")
def content(risk_study: Path) -> StudyContent:
    return read_study_content(find_study(risk_study))


@pytest.fixture(scope="module")
def section(risk_study: Path) -> str:
    """The section's HTML, from a page of the whole study."""
    page = write_report(risk_study, risk_study / "page.html", viewer=False).path.read_text(encoding="utf-8")
    assert page.index('<section id="comparison"') < page.index('<section id="risk"') < page.index('id="settings-title"')
    assert '<li><a href="#risk">Low or high risk</a></li>' in page
    return section_of(page)


@pytest.fixture
def copied(risk_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(risk_study, tmp_path / "study"))


def section_of(page: str) -> str:
    found = re.search(r'<section id="risk".*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def shown(content: StudyContent) -> Risk:
    section = risk_section(content)
    assert section is not None
    assert isinstance(section.content, Risk)
    return section.content


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


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
    assert content.risk is not None
    assert content.readers is not None
    tables = [*content.risk.tables, *content.readers.tables]
    assert sorted(re.findall(r"<caption>(.*?)</caption>", section)) == sorted(
        table.title.replace("'", "&#39;") for table in tables
    )
    assert len(PageReader(section).all("img")) == len(content.risk.pictures) + len(content.readers.pictures) == 4
    assert "More" not in headings


def test_a_table_and_a_figure_of_no_part_are_shown_too(content: StudyContent) -> None:
    """A later version may write some that this page has no heading for."""
    assert content.risk is not None
    table, picture = content.risk.tables[0], content.risk.pictures[0]
    more = shutil.copy(picture.file, picture.file.with_name("risk_more.png"))
    document = replace(
        content.risk,
        tables=(*content.risk.tables, replace(table, title="Net benefit")),
        pictures=(*content.risk.pictures, replace(picture, file=Path(more))),
    )
    parts = shown(replace(content, risk=document)).parts
    assert [part.title for part in parts[-2:]] == ["More", "Readers without and with AI"]
    assert [table.title for table in parts[-2].tables] == ["Net benefit"]
    assert len(parts[-2].figures) == 1


def test_simulated_readers_are_called_so_before_they_are_unfolded(section: str) -> None:
    assert '<span class="fold-about">6 simulated readers read 10 cases' in section
    assert "The readers are simulated (Roe and Metz) at the published AUCs: they are no people." in section


def test_a_study_without_one_has_no_such_section(content: StudyContent) -> None:
    assert risk_section(replace(content, risk=None, readers=None)) is None


def test_the_dataset_is_told_where_it_is_another(content: StudyContent, tmp_path: Path) -> None:
    assert not any("other sections" in note for note in shown(content).notes)
    other = replace(content, study=replace(content.study, dataset=tmp_path))
    assert shown(other).notes[0] == "These cases are of another dataset than those of the other sections, " \
        "Dataset711_Tiny."  # fmt: skip
    unknown = replace(content, study=replace(content.study, dataset=None))
    assert shown(unknown).notes[0] == "Whether these cases are of the dataset of the other sections is not known."


def test_what_is_missing_is_named_with_its_command(content: StudyContent) -> None:
    assert content.risk is not None
    without_figures = shown(replace(content, risk=replace(content.risk, pictures=()), readers=None))
    assert [(part.what, part.commands) for part in without_figures.missing] == [
        ("The evaluation of the study of risk holds no risk_roc.png.", ("nnunet_amt risk evaluate 711 -o risk",)),
        (
            "No readers without and with AI were analysed.",
            ("nnunet_amt risk readers 711 -o risk --table readers.csv",),
        ),
    ]
    readers_alone = shown(replace(content, risk=None))
    assert [part.title for part in readers_alone.parts] == ["Readers without and with AI"]
    assert readers_alone.missing[0].commands == ("nnunet_amt risk evaluate 711 -o risk",)


def test_the_record_of_the_page_names_both_files(risk_study: Path, section: str) -> None:
    run = newest_run(risk_study, "report")
    assert run is not None
    assert {"risk", "readers"} <= set(run["inputs"])


@pytest.mark.parametrize(("name", "kind"), [("risk", RISK_SUMMARY), ("readers", READER_STUDY)])
def test_a_damaged_file_and_one_of_another_version_end_the_command_in_one_line(
    copied: Path, name: str, kind: Any
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
    section = section_of(write_report(copied, copied / "page.html", viewer=False).path.read_text(encoding="utf-8"))
    page = PageReader(section)
    assert page.text().count(INJECTION) > 100
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in page.all("img"))
    assert not page.blocks
    for _, attributes in page.elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes)
