"""Both checklists are whole, in the published order, and claim nothing that the facts do not hold."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from nnunet_amt.report.checklists.checklist import (
    ANCHORS,
    STATUSES,
    AnsweredItem,
    Checklist,
    ChecklistItem,
    PossibleAnswer,
    answered_items,
    checklist_csv,
    checklists,
)
from nnunet_amt.report.checklists.words import Writer
from nnunet_amt.study.facts import StudyFacts
from tests.report.checklists.facts import DATASET, EVALUATION, MODEL, STUDY

# The numbering of the published tables: Tejani et al. 2024, Collins et al. 2024
CLAIM = [str(number) for number in range(1, 45)]
# fmt: off
TRIPOD = [
    "1", "2", "3a", "3b", "3c", "4",
    "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a", "9b", "9c", "10", "11", "12a", "12b", "12c", "12d",
    "12e", "12f", "12g", "13", "14", "15", "16", "17",
    "18a", "18b", "18c", "18d", "18e", "18f", "19",
    "20a", "20b", "20c", "21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c",
]
# fmt: on
# What no file of a study shows
ONLY_AUTHORS = {
    "CLAIM 2024": ["1", "3", "4", "5", "15", "17", "18", "34", "41", "44"],
    "TRIPOD+AI": ["1", "3a", "3b", "3c", "5b", "6c", "8b", "8c", "17", "18a", "18b", "18c", "18d", "18e", "19", "27c"],
}
SYNTHETIC = replace(STUDY, subjects="phantoms")
OTHER_TRAINER = replace(STUDY, model=replace(MODEL, trainer="nnUNetTrainer", plans="nnUNetPlans", intensities=None))
# Between them they have every answer
VARIANTS = [
    StudyFacts(),
    StudyFacts(subjects="phantoms"),
    STUDY,
    SYNTHETIC,
    OTHER_TRAINER,
    replace(STUDY, dataset=replace(DATASET, label_origin="outlined", reference="A series", coded=False)),
    replace(STUDY, dataset=None, model=replace(MODEL, pretrained=True, folds=("0", "1"), epochs=None)),
    replace(STUDY, model=replace(MODEL, pretrained=None), runs=replace(STUDY.runs, stages=("train",))),
    replace(STUDY, model=replace(MODEL, checkpoint="checkpoint_latest.pth")),
    replace(STUDY, evaluation=replace(EVALUATION, cases_by_set={"tuning": 1, "external": 2}, without_tumour=1)),
    replace(STUDY, dataset=replace(DATASET, coded=None), model=replace(MODEL, same_split=None)),
]


@pytest.mark.parametrize(
    "facts", [StudyFacts(), STUDY, SYNTHETIC, OTHER_TRAINER], ids=["none", "all", "drawn", "other"]
)
def test_every_item_is_answered_once_and_in_order(facts: StudyFacts) -> None:
    claim, tripod = answered_items(facts)
    assert [item.number for item in claim.items] == CLAIM
    assert [item.number for item in tripod.items] == TRIPOD
    assert len(TRIPOD) == 52
    for item in (*claim.items, *tripod.items):
        assert item.section
        assert item.asks
        assert item.answer.endswith((".", "?")), item
        assert "  " not in item.answer, item
        assert item.status in STATUSES
        assert item.anchor in (*ANCHORS, "")


@pytest.mark.parametrize("facts", [StudyFacts(), STUDY, OTHER_TRAINER], ids=["none", "all", "other"])
def test_what_no_file_shows_is_left_to_the_authors(facts: StudyFacts) -> None:
    for checklist in answered_items(facts):
        by_number = _by_number(checklist)
        for number in ONLY_AUTHORS[checklist.title]:
            assert by_number[number].status == "authors", by_number[number]


@pytest.mark.parametrize("facts", [StudyFacts(), STUDY, SYNTHETIC], ids=["none", "all", "drawn"])
def test_no_answer_says_that_somebody_approved_consented_or_paid(facts: StudyFacts) -> None:
    claims = re.compile(r"\b(was|were|has been|is) (approved|granted|funded|registered|consented|blinded)\b", re.I)
    for checklist in answered_items(facts):
        for item in checklist.items:
            stated = item.answer.partition("Authors")[0]
            assert not claims.search(stated), item


def test_without_facts_nothing_is_answered() -> None:
    """What is not applicable then is so for every study of this software."""
    claim, tripod = answered_items(StudyFacts())
    assert claim.count("answered") == tripod.count("answered") == 0
    assert [item.number for item in claim.items if item.status == "not applicable"] == ["31"]
    assert [item.number for item in tripod.items if item.status == "not applicable"] == ["9c", "12f", "24"]


def test_a_missing_part_names_the_command_that_makes_it() -> None:
    claim, _ = answered_items(StudyFacts())
    for number, command in {
        "19": "convert",
        "22": "predict",
        "28": "evaluate",
        "37": "evaluate",
        "39": "failures",
    }.items():
        assert f"`nnunet_amt {command}`" in _by_number(claim)[number].answer


def test_of_another_trainer_nothing_of_the_recipe_is_told() -> None:
    """A default nnU-Net mirrors, decays its learning rate and adds cross-entropy."""
    recipe = (
        "Glorot",
        "Adam",
        "no mirroring",
        "without mirroring",
        "soft Dice",
        "levels with skip",
        "tuning set, among",
    )
    for checklist in answered_items(OTHER_TRAINER):
        for item in checklist.items:
            assert not [word for word in recipe if word in item.answer], item


def test_results_without_subgroups_end_no_sentence_in_the_middle() -> None:
    """An evaluation without a cohort table has none to name."""
    summary = replace(EVALUATION.summary, subgroups=())
    claim, tripod = map(_by_number, answered_items(replace(STUDY, evaluation=replace(EVALUATION, summary=summary))))
    assert "Results are not shown by subgroups." in claim["30"].answer
    assert " ." not in claim["30"].answer
    assert "By subgroup" not in tripod["23a"].answer


def test_phantoms_are_called_phantoms() -> None:
    claim, tripod = map(_by_number, answered_items(SYNTHETIC))
    assert "no patient took part" in claim["7"].answer
    assert tripod["17"].status == claim["11"].status == "not applicable"
    assert "do not carry over to patients" in claim["40"].answer


def test_no_item_lacks_a_part() -> None:
    """Of the published text nothing is quoted, so what an item asks for must be told, and what answers it."""
    for checklist in checklists():
        for item in checklist.items:
            assert all((item.number, item.section, item.asks, item.answers)), item
            assert not item.answers[-1].when, f"{item.number}: where no condition holds there is no answer"
            for answer in item.answers:
                assert answer.status in STATUSES
                assert answer.anchor in (*ANCHORS, "")
                assert answer.text or answer.status == "authors", item
                assert answer.authors or answer.status in ("answered", "not applicable"), item


def test_every_answer_is_some_studys() -> None:
    """A template that no study renders could name anything, and an answer after one that always holds is dead."""
    chosen = {id(_chosen(item, Writer(facts))) for facts in VARIANTS for list_ in checklists() for item in list_.items}
    for facts in VARIANTS:
        answered_items(facts)
    for checklist in checklists():
        for item in checklist.items:
            for answer in item.answers:
                assert id(answer) in chosen, f"{checklist.title} {item.number}: no study has {answer}"


def test_an_item_of_both_checklists_is_answered_once() -> None:
    claim, tripod = (_by_number(checklist) for checklist in answered_items(STUDY))
    assert (tripod["2"].status, tripod["2"].answer) == (claim["2"].status, claim["2"].answer)
    assert tripod["2"].asks != claim["2"].asks


def test_the_csv_reads_back_and_holds_no_formula() -> None:
    checklist = Checklist(
        "T", "C", "", (AnsweredItem("1", "S", "asks", "answered", '=SUM(A1), "quoted"\nline', "#results"),)
    )
    header, row = csv.reader(io.StringIO(checklist_csv(checklist)))
    assert header[:5] == ["item", "section", "asks", "status", "answer"]
    assert row == ["1", "S", "asks", "answered", '\'=SUM(A1), "quoted"\nline', "How good", ""]


def test_the_csv_has_a_row_an_item() -> None:
    for checklist in answered_items(STUDY):
        rows = list(csv.DictReader(io.StringIO(checklist_csv(checklist))))
        assert [row["item"] for row in rows] == [item.number for item in checklist.items]
        assert [row["answer"] for row in rows] == [item.answer for item in checklist.items]


def _by_number(checklist: Checklist) -> dict[str, AnsweredItem]:
    return {item.number: item for item in checklist.items}


def _chosen(item: ChecklistItem, writer: Writer) -> PossibleAnswer:
    return next(answer for answer in item.answers if not answer.when or writer.holds(answer.when))
