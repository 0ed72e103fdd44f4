"""The page as a whole: what it may load, what stands in it, and what does not."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.report import write_report
from nnunet_amt.report.build import make_page
from nnunet_amt.report.page_parts import page_environment
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study
from tests.report.studies import HEALTHY, SECRET, TITLE, PageReader, write_study

SECTIONS = ("result", "done", "cohort", "results", "failures", "cases", "comparison", "settings", "checklists", "cite")


def policy_of(page: PageReader) -> dict[str, list[str]]:
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    return {words[0]: words[1:] for words in (part.split() for part in policy.split(";"))}


def test_every_section_is_there_once_under_a_heading(page: PageReader) -> None:
    assert [section["id"] for section in page.all("section") if section.get("id") in SECTIONS] == list(SECTIONS)
    linked = [link["href"] for link in page.all("a")]
    assert all(f"#{anchor}" in linked for anchor in SECTIONS)


def test_headings_come_in_order(page: PageReader) -> None:
    """One h1, and no level is left out on the way down: a screen reader's list of headings is a table of contents."""
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_policy_lets_run_what_stands_in_the_page_and_nothing_else(page: PageReader) -> None:
    policy = policy_of(page)
    assert policy["default-src"] == policy["connect-src"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert not any(
        "unsafe" in source and source != "'wasm-unsafe-eval'" for sources in policy.values() for source in sources
    )
    assert not any("http" in source or source == "*" for sources in policy.values() for source in sources)
    for tag, attributes, block in page.blocks:
        if attributes.get("type", "") in ("", "text/javascript", "module"):
            digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy[f"{tag}-src"]


def test_nothing_is_loaded_from_elsewhere(page: PageReader) -> None:
    for tag, attributes in page.elements:
        assert not attributes.get("src", "data:").startswith(("http", "//", "file", "/")), (tag, attributes)
        allowed = ("#", "data:", "https://doi.org/") if tag == "a" else ("data:",)
        assert attributes.get("href", "data:").startswith(allowed), (tag, attributes)
        assert "style" not in attributes, (tag, "a style attribute, which the policy forbids")
        assert not any(name.startswith("on") for name in attributes), (tag, "a handler, which the policy forbids")


def test_every_link_within_the_page_leads_somewhere(page: PageReader) -> None:
    names = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    inner = {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")}
    assert {name for name in inner if not name.startswith("view-")} <= names
    assert len([a["id"] for _, a in page.elements if "id" in a]) == len(names)  # no id twice


def test_pictures_stand_in_the_page_with_words_for_who_cannot_see_them(page: PageReader) -> None:
    pictures = [picture for picture in page.all("img") if picture.get("src", "").startswith("data:image/png;base64,")]
    assert len(pictures) >= 4  # FROC, Dice by size, volumes, features; and the cases
    for picture in pictures:
        data = base64.b64decode(picture["src"].partition(",")[2])
        assert struct.unpack(">II", data[16:24]) == (int(picture["width"]), int(picture["height"]))
        assert len(picture["alt"]) > 20


def test_a_study_that_is_run_as_one_makes_its_baseline_so(tmp_path: Path) -> None:
    """The single command needs nnU-Net's folders set, which a study sets by itself."""
    study = write_study(tmp_path / "study")
    (tmp_path / "study" / "study.toml").write_text("")
    page = PageReader(write_report(study, tmp_path / "report.html", title=TITLE).path.read_text(encoding="utf-8"))
    assert "nnunet_amt study . --baseline" in page.text()


def test_cases_without_a_tumour_are_told_apart_in_every_part(tmp_path: Path) -> None:
    """Of five cases two have none; one of them is marked. The Dice of the tumours is (1 + 2/3 + 0) / 3 = 0.56."""
    study = write_study(tmp_path / "study", healthy=True)
    result = write_report(study, tmp_path / "report.html", title=TITLE)
    page = PageReader(result.path.read_text(encoding="utf-8"))
    text = page.text()
    for words in (
        "On average of the CTs with a tumour its outline of the tumour and the reference agree with a Dice score of ",
        "Of 2 CTs without a tumour, 1 is free of false positives: a specificity by scan of 0.50 (95% CI, Wilson, 0.09",
        "Dice score of 0.56",
        "mean agreement of the outlines, cases with a tumour",
        "share of the 2 CTs without a tumour that have no false positive",
        "2 cases of them have no tumour.",
        "1 holds no tumour, yet something is predicted; 1 holds no tumour, and nothing is predicted",
        "Scans without a tumour",
        "0.50 (Wilson 0.09–0.91)",
        "Of 5 evaluated cases, 2 hold no tumour.",
        "There is no tumour in the reference, yet 0.2 cm³ are predicted.",
    ):
        assert words in text, words
    assert "there is no specificity" not in text
    assert "what the model does on CTs without one is not known" not in text
    assert all(any(name in block for *_, block in page.blocks) for name in HEALTHY)  # the viewer holds both


def test_the_worst_case_and_the_reason_stand_at_the_top(page: PageReader) -> None:
    """Case 3: none of its 400 voxels is predicted; 60 voxels of 2 mm3, 0.12 cm³, are predicted elsewhere."""
    top = page.text().partition("What was done")[2].partition("What was done")[0]
    assert "Failed worst: case AMT-0003, Dice 0.00, missed completely" in top
    assert "The tumour is missed completely: what was predicted (0.12 cm³) lies elsewhere." in top
    assert "1 false positive lesion of 0.12 cm³" in top
    assert "Research use only." in page.text()[:300]


def test_where_every_case_is_a_success_none_is_said_to_have_failed(study: Path) -> None:
    """Of case 1 all voxels are found: it has the lowest Dice of one, and needs no reason."""
    content = read_study_content(find_study(study))
    shown = make_page(replace(content, cases=content.cases[-1:]), viewer=False)
    text = PageReader(page_environment().get_template("page.html.j2").render(page=shown)).text()
    assert "Lowest Dice: case AMT-0001, Dice 1.00, success" in text
    assert "No case failed by the definition of this page." in text
    assert "Failed worst" not in text
    assert "Why?" not in text


def test_the_result_in_plain_words(page: PageReader) -> None:
    """Dice 1, 2 * 200 / 600 and 0: their mean is 0.56. One lesion is found whole, one half (IoU 0.5), with one FP."""
    assert (
        "tested on 3 CTs of 2 institutions, none of which gave a case to the dataset's training or tuning sets; "
        "by which split it was trained is not on record."
    ) in page.text()
    assert "a Dice score of 0.56" in page.text()
    assert (
        "It found 2 of 3 lesions, with 1 false positive, if sharing a tenth of what either outline covers is enough "
        "(IoU > 0.1), and 1, with 2, if it must be half (IoU > 0.5)."
    ) in page.text()
    assert "Of 3 cases, 1 succeeds" in page.text()


def test_tables_have_captions_and_heads(text: str, page: PageReader) -> None:
    assert len(page.all("caption")) == len(page.all("table")) >= 6
    assert {head["scope"] for head in page.all("th")} <= {"col", "row", "rowgroup"}
    assert all("scope" in head for head in page.all("th"))
    assert "0.82±0.15 (0.79–0.84)" in text  # the published row
    assert "372 (52.3%)" in text  # Table 1 of the dataset


def test_what_is_missing_is_named_with_its_command(page: PageReader) -> None:
    """There is no comparison and no flow figure in this study."""
    assert "Not here: The model was not compared" in page.text()
    assert "nnunet_amt baseline -d 711" in page.text()
    assert "Not here: The flow figure is missing" in page.text()


def test_no_folder_of_this_machine_is_told(text: str, study: Path) -> None:
    assert SECRET not in text
    assert str(study.parent) not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"


def test_the_run_manifest_can_be_read_by_programs(page: PageReader) -> None:
    [manifest] = [json.loads(block) for _, attributes, block in page.blocks if attributes.get("id") == "run-manifest"]
    assert manifest["schema_version"] == 1
    saved = (
        next(link["href"] for link in page.all("a") if link.get("download") == "run_manifest.json")
        if manifest["runs"]
        else ""
    )
    if saved:
        assert json.loads(base64.b64decode(saved.partition(",")[2])) == manifest
    assert all(run["stage"] != "report" for run in manifest["runs"])


def test_written_again_the_page_is_the_same(study: Path, text: str) -> None:
    again = write_report(study, study / "report.html", title=TITLE).path.read_text(encoding="utf-8")
    assert again == text


def test_names_are_text_and_not_markup(study: Path) -> None:
    page = write_report(
        study, study / "other.html", title="<img src=x onerror=alert(1)>", viewer=False
    ).path.read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_without_failure_analysis_dataset_and_label_maps_the_page_says_what_to_run(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "evaluation", tmp_path / "evaluation")
    (tmp_path / "evaluation" / "nnunet_amt_runs.json").unlink(missing_ok=True)
    text = PageReader(write_report(tmp_path, tmp_path / "report.html").path.read_text()).text()
    assert "Not here: The failure analysis was not made." in text
    assert "nnunet_amt failures PREDICTIONS REFERENCES -o evaluation_failures" in text
    assert "Not here: No converted dataset was found" in text
    assert "Not here: There are no pictures of cases" in text
    assert "Failed worst: case AMT-0003" in text


def test_a_comparison_is_laid_out(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    rows = [{"kind": "group", "title": "Voxels"}, {"kind": "row", "title": "Dice score", "cells": ["0.56", "0.41"]}]
    table = {
        "title": "Accuracy",
        "heading": "Metric",
        "columns": ["ours", "default"],
        "rows": rows,
        "notes": ["Paired."],
    }
    (tmp_path / "study" / "comparison").mkdir()
    comparison = {"sentences": ["On 3 cases the mean Dice of default is 0.150 lower."], "tables": [table]}
    (tmp_path / "study" / "comparison" / "comparison.json").write_text(json.dumps(comparison))
    page = PageReader(write_report(tmp_path / "study", tmp_path / "report.html", viewer=False).path.read_text())
    assert "On 3 cases the mean Dice of default is 0.150 lower." in page.text()
    assert "Accuracy Metric ours default Voxels Dice score 0.56 0.41 Paired." in page.text()
    assert "Not here: The model was not compared" not in page.text()


def test_a_study_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="evaluat"):
        write_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_broken_results_file_is_named(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    cases = tmp_path / "study" / "evaluation" / "cases.csv"
    cases.write_text(cases.read_text().replace("lesion_tp_0.5", "lesions"))
    with pytest.raises(BadInputError, match=r"cases.csv: .*lesion_tp_0.5.*run nnunet_amt evaluate again"):
        write_report(tmp_path / "study", tmp_path / "report.html")


KILLED = """
import os, sys
from pathlib import Path
from nnunet_amt.cli.commands import main
number, *sys.argv[1:] = sys.argv[1:]
replace, left = Path.replace, [int(number)]
def replace_or_die(path, target):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    return replace(path, target)
Path.replace = replace_or_die
main()
"""


@pytest.mark.slow
def test_a_killed_report_leaves_page_and_record_of_one_run(study: Path, tmp_path: Path) -> None:
    """Before any file has its final name; what was half-written then goes with the next run."""
    folder = tmp_path / "pages"
    words = ["report", str(study), "-o", str(folder / "page.html"), "--no-viewer", "--title"]
    subprocess.run([sys.executable, "-c", KILLED, "99", *words, "old"], check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"page.html", "nnunet_amt_runs.json"}
    for number in ("1", "2", "3"):  # the page is written, its record, the page takes its name
        died = subprocess.run([sys.executable, "-c", KILLED, number, *words, "new"], check=False, capture_output=True)
        assert died.returncode == -9
        assert {name: (folder / name).read_bytes() for name in before} == before
        assert any(path.name.startswith(".partial-") for path in folder.iterdir())
    subprocess.run([sys.executable, "-c", KILLED, "99", *words, "new"], check=True, capture_output=True)
    assert {path.name for path in folder.iterdir()} == set(before)
    assert "<title>new</title>" in (folder / "page.html").read_text()
    assert json.loads((folder / "nnunet_amt_runs.json").read_text())["runs"][-1]["settings"]["title"] == "new"


def test_a_report_that_is_ended_leaves_nothing(study: Path, tmp_path: Path) -> None:
    """As a shutdown ends it; with kill -9 the next run tidies up."""
    script = KILLED.replace("os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)")
    words = ["report", str(study), "-o", str(tmp_path / "pages" / "page.html"), "--no-viewer"]
    ended = subprocess.run([sys.executable, "-c", script, "1", *words], check=False, capture_output=True, text=True)
    assert ended.returncode == 143
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "pages").iterdir()) == []


INJECTION = '"><img src=x onerror=alert(1)></script><script>alert(1)</script>'


def test_texts_of_others_are_texts_on_the_page(study: Path, tmp_path: Path) -> None:
    """Notes, names and commands that hold HTML: none becomes an element, and every one can be read."""
    copied = tmp_path / "study"
    shutil.copytree(study, copied)
    dataset = next((copied / "nnUNet_raw").iterdir())
    cohort = dataset / "cohort.csv"
    cohort.write_text(cohort.read_text().replace("Siemens", "<b>Siemens</b>").replace("thymoma", "a</td><i>b"))
    for path, name in ((dataset / "dataset.json", "label_origin"), (dataset / "audit.json", "excluded_by_reason")):
        value = INJECTION if name == "label_origin" else {INJECTION: 1}
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    runs = copied / "evaluation" / "nnunet_amt_runs.json"
    content = json.loads(runs.read_text())
    content["runs"][-1] |= {
        "command": INJECTION,
        "software": {INJECTION: INJECTION},
        "settings": {INJECTION: INJECTION},
    }
    runs.write_text(json.dumps(content))
    page = PageReader(
        write_report(copied, tmp_path / "page.html", title=INJECTION, viewer=False).path.read_text(encoding="utf-8")
    )
    assert not [
        attributes for _, attributes in page.elements if "onerror" in attributes or attributes.get("src") == "x"
    ]
    assert not any(block.strip() == "alert(1)" for _, _, block in page.blocks)
    assert page.text().count(INJECTION) >= 4
    assert "<b>Siemens</b>" in page.text()
