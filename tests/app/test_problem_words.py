"""What is wrong is said in the reader's language: no sentence of the library about a table may be forgotten."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest

from nnunet_amt.app.language import texts
from nnunet_amt.app.problem_words import ToldProblem, is_known, problem_words, said

# Modules of which every sentence reaches a page, and those sentences of theirs that do not.
TOLD_BY = (
    "nnunet_amt.cohort.manifest_checks",
    "nnunet_amt.cohort.manifest",
    "nnunet_amt.cohort.case",
    "nnunet_amt.cohort.thymic_findings",
    "nnunet_amt.cohort.lesion_findings",
    "nnunet_amt.cohort.audit",
    "nnunet_amt.dataset_conversion.pairing.dicom",
    "nnunet_amt.dataset_conversion.pairing.names",
    "nnunet_amt.dataset_conversion.case_source",
    "nnunet_amt.app.case_rows",
    "nnunet_amt.app.case_search",
    "nnunet_amt.app.case_table",
    "nnunet_amt.app.archive",
    "nnunet_amt.app.sent_files",
    "nnunet_amt.app.jobs",
    "nnunet_amt.app.patient_runs",
    "nnunet_amt.app.security",
    "nnunet_amt.app.studies",
    "nnunet_amt.app.study_page",
)
# Parts of sentences, which are known as parts of the whole.
PARTS = (
    "cells that are none of",  # and two warnings of the command line
    "columns not used:",
    " (and 7 more)",
    "7 line 7",
    "case '7' (line 7, 7)",
    "the value is not shown",
    "one of its files",
    "; write / in place of",
    "7 does not exist7;",  # with the part before, or without
    "default-src",  # a header of HTTP
)
# Sentences of other modules that a clinician meets: what is told, and what the Japanese must hold.
MET = {
    "geometry": (
        "manifest.csv line 2, column 'mask' (case 'c1'): the file does not lie on the grid of the CT: spacing (0.7, "
        "0.7, 5) against (0.7, 0.7, 3) of the CT (the mask has 8 x 8 x 4 voxels of 0.7 x 0.7 x 5 mm from (0, 0, 0), "
        "the CT 8 x 8 x 4 voxels of 0.7 x 0.7 x 3 mm from (0, 0, 0)); export it on the CT's grid, or have it resampled "
        "(--resample-masks)",
        ("2行目", "「mask」", "c1", "ボクセル間隔 (0.7, 0.7, 5) と (0.7, 0.7, 3)", "8 x 8 x 4 ボクセル"),
    ),
    "empty mask": (
        "manifest.csv line 2, column 'mask' (case 'c1'): the file is empty, no voxel is tumour; draw it or give the "
        "case an exclusion_reason, or no_tumour = yes if the CT shows none (and 3 more); 1 of 5 cases are converted, "
        "4 failed (mine/refused.csv lists them): mend the cases and run the same command again, or leave them out with "
        "--exclude-unreadable",
        ("マスクが空", "ほかに3件", "5例のうち1例", "4例は失敗", "mine/refused.csv", "--exclude-unreadable"),
    ),
    "gap": (
        "manifest.csv line 2, column 'image' (case 'c1'): slices are missing (2), the first between 10.00 and 25.00 "
        "mm, where slices are 5 mm apart; export the series again",
        ("2枚欠けています", "10.00 mm", "25.00 mm"),
    ),
    "uneven": (
        "manifest.csv line 2, column 'image' (case 'c1'): the folder: slices are unevenly spaced, 2.000 to 7.000 mm "
        "(usually 5.000); take a series with one slice distance",
        ("一定ではありません", "2.000", "7.000"),
    ),
    "roi": (
        "manifest.csv line 2, column 'roi' (case 'c1'): the RTSTRUCT has 3 closed ROIs, none named 'GTV'; look the "
        "names up in the program that wrote it (not shown: they may name people)",
        ("RTSTRUCT", "3個", "「GTV」"),
    ),
    "other series": (
        "manifest.csv line 2, column 'mask' (case 'c1'): the RTSTRUCT was drawn on another CT series; give the series "
        "that it refers to, or, if this is that series with new UIDs, take it by where it lies (--trust-geometry)",
        ("別のCTシリーズ", "--trust-geometry"),
    ),
    "unreadable": (
        "manifest.csv line 2, column 'image' (case 'c1'): the file is damaged (it ends after 40 of 90 bytes); copy or "
        "export it again",
        ("壊れています（90バイトのうち40バイトで終わっています）",),
    ),
    "disk": (
        ".nnunet_amt_app/jobs: a job needs about 1.0 GB, the disk has 0.2 GB free; free some space or choose another "
        "folder",
        ("ジョブには約 1.0 GB", "0.2 GB"),
    ),
    "disk full": (
        "mine/nnUNet_raw/x.nii.gz: the disk is full; free some space and run the same command again, it goes on where "
        "it stopped",
        ("空きがありません", "mine/nnUNet_raw/x.nii.gz："),
    ),
    "setting": (
        "mine/study.toml: [train] trainer = 3: input should be a valid string; mend the line",
        ("mine/study.toml：", "[train] trainer = 3", "文字列にしてください", "その行を直して"),
    ),
    "no such setting": (
        "mine/study.toml: [train] trainor: there is no such setting; there are trainer, fold; mend the line",
        ("この設定はありません", "trainer, fold"),
    ),
    "no CT": (
        "no CT can be used of 1 found: scan.nii.gz: is damaged (its header is not NIfTI's); copy or export it again",
        ("使えるCTがありません", "scan.nii.gz：", "NIfTIのヘッダーではありません"),
    ),
    "institution in two sets": (
        "column 'institution': case 'a' (line 2, training) and case 'b' (line 3, external) are of one institution; one "
        "of the external test set must not be in training or tuning (and 1 more)",
        ("同じ施設", "2行目", "3行目", "ほかに1件"),
    ),
    "search": (
        "is a DICOM SEG that refers to none of the CT series here; put it into the row of its CT",
        ("DICOM SEG",),
    ),
}


def sentences(module: ModuleType, *, gap: str = "7") -> Iterator[str]:
    """Give the texts of more than two spaces in a module, but docstrings, patterns and logs, their gaps filled."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    patterns = {
        id(part)
        for call in calls
        if ast.unparse(call.func).startswith(("re.", "logger."))
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for part in ast.walk(argument)
    }
    for node in ast.walk(tree):
        if id(node) in docstrings | inside | patterns:
            continue
        text = _text(node, module, gap)
        if text and text.count(" ") > 2:
            yield text


def _text(node: ast.AST, module: ModuleType, gap: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+(:g)?\}", gap, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, module, gap) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        words = ast.unparse(node.value)
        held = getattr(module, words, None) if isinstance(node.value, ast.Name) else None
        if isinstance(held, str):
            return held
        if words.startswith("_named("):
            return "case '7' (line 7, 7)"
        return "RTSTRUCT" if words.endswith(".kind") else repr(gap) if node.conversion == ord("r") else gap
    return ""


@pytest.mark.parametrize("name", TOLD_BY)
def test_every_sentence_of_a_module_has_an_entry(name: str) -> None:
    """A new check of the table would else be English in the middle of a Japanese page."""
    module = importlib.import_module(name)
    unknown = [
        filled
        for filled, without in zip(sentences(module), sentences(module, gap=""), strict=True)
        if not (is_known(filled) or is_known(without)) and not filled.startswith(PARTS)
    ]
    assert unknown == []


def test_the_walk_sees_the_checks_of_the_manifest() -> None:
    found = list(sentences(importlib.import_module("nnunet_amt.cohort.manifest_checks")))
    assert "line 7 has the same case_id; each row needs its own" in found
    assert len(found) > 8


@pytest.mark.parametrize("kind", MET)
def test_what_a_clinician_meets_is_said_in_japanese(kind: str) -> None:
    english, parts = MET[kind]
    told = problem_words(english, texts("ja"))
    assert isinstance(told, ToldProblem) and told.language == "ja"
    for part in parts:
        assert part in told
    assert problem_words(english, texts("en")) == english


def test_a_part_that_is_not_known_leaves_the_whole_english() -> None:
    """Half a sentence in each language would be read by nobody."""
    told = problem_words("manifest.csv line 2, column 'age': cannot be <divined>", texts("ja"))
    assert said(told, texts("ja")) == (
        '<span lang="en">manifest.csv line 2, column &#39;age&#39;: cannot be &lt;divined&gt;</span>'
    )


def test_a_value_is_never_taken_for_a_rule() -> None:
    told = problem_words("must be at most 120 (got 'must be yes or no')", texts("ja"))
    assert "120以下" in told and "must be yes or no" in told


def test_every_problem_is_japanese() -> None:
    english, japanese = texts("en").sentences, texts("ja").sentences
    keys = [key for key in english if key.startswith("problems.")]
    assert len(keys) > 200
    for key in keys:
        assert re.search(r"[ぁ-んァ-ヶ一-龠：（]", japanese[key]) or key == "problems.with_remedy", key
        gaps = [gap for _, gap, _, _ in Formatter().parse(japanese[key]) if gap]
        assert len(gaps) == len(set(gaps)), key


def test_no_form_takes_another_s_sentence() -> None:
    """Each English sentence, its gaps filled, is known as itself and not as one with fewer words."""
    english, japanese = texts("en").sentences, texts("ja")
    samples = {"choices": "'a', 'b' or 'c'", "words": "a, b or c", "kind": "RTSTRUCT", "column": "age", "path": "x.csv"}
    for key, sentence in english.items():
        if not key.startswith("problems."):
            continue
        gaps = {gap for _, gap, _, _ in Formatter().parse(sentence) if gap}
        filled = {gap: samples.get(gap.rstrip("_23"), "7") for gap in gaps}
        filled |= {gap: "export it again" for gap in gaps if gap.startswith("problem")}
        told = problem_words(sentence.format(**filled), japanese)
        filled |= {gap: "もう一度書き出してください。" for gap in gaps if gap.startswith("problem")}
        filled |= {"choices": "'a'、'b'、'c'", "words": "a、b、c"}
        assert told == japanese.sentences[key].format(**filled), key
