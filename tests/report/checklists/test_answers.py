"""Answers hold the facts, and change with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.evaluation.summary.summary import SpecificitySummary
from nnunet_amt.report.checklists import AnsweredItem, answered_items
from nnunet_amt.study.facts import StudyFacts
from tests.report.checklists.facts import DATASET, EVALUATION, MODEL, STUDY, group


@pytest.mark.parametrize(
    ("number", "parts"),
    [
        ("7", ["688 CTs of 679 patients from 133 institutions", "Authors add: where the CTs come from"]),
        ("8", ["711 lines", "left out: 23, for motion (17), no CT (6)"]),
        (
            "9",
            [
                "whole HU, values under -1024 raised",
                "5 x 0.74 x 0.74 mm (z, y, x)",
                "from -1024 to 3071 HU",
                "training and tuning images",
            ],
        ),
        ("12", ["age of 8 and scanner manufacturer of 188", "Every evaluated case had a prediction"]),
        ("13", ["Siemens (300), Canon Medical Systems (200)", "4 to 7 mm"]),
        ("19", ["training 470 cases (461 patients, 14 institutions)", "external test 160 cases (119 institutions)"]),
        ("20", ["training and tuning share 5 institutions", "No two of the 688 CTs"]),
        ("21", ["160 cases with 180 reference lesions", "0.75 (95% CI 0.71 to 0.79)"]),
        ("22", ["4 levels", "Channels 32, 64, 128, 256", "5,603,426 trainable parameters", "32 x 192 x 192"]),
        ("23", ["nnunet_amt 0.1.0, torch 2.13.0", "NVIDIA H200"]),
        ("19", ["chosen by the tuning set; the external test set had no part in either"]),
        ("24", ["uniform Glorot", "no seed of the draw is on record", "No pretrained weights"]),
        ("25", ["0.001", "batches of 3", "1,000 epochs of 250 steps by the training log", "10.0 hours on NVIDIA H200"]),
        ("26", ["checkpoint_best.pth (SHA-256 abab"]),
        (
            "29",
            [
                "10,000 resamples of cases, seed 42",
                "withheld under 20 of these",
                "Of sensitivities Wilson's interval",
                "Mann-Whitney",
            ],
        ),
        ("28", ["Plots: FROC over the thresholds and Dice by institution."]),
        ("33", ["160 cases from 119 institutions that gave no case"]),
        ("38", ["180 reference lesions", "at IoU > 0.5 sensitivity 0.90 (95% CI 0.86 to 0.94)", "no specificity"]),
        (
            "39",
            ["16 cases of lowest Dice", "volume", "in 70 cases, fewer in 89 cases, as many in 1 case", "In 3 cases"],
        ),
        ("40", ["1 subgroup other than institutions has fewer than 20 cases"]),
        ("43", ["SHA-256 abab", "Apache-2.0"]),
    ],
)
def test_an_answer_holds_the_facts(number: str, parts: list[str]) -> None:
    answer = _claim(STUDY)[number].answer
    for part in parts:
        assert part in answer, answer


def test_cases_that_the_model_was_made_with_are_no_external_test() -> None:
    """The overall figures would look external otherwise, which is the worst thing a report can say."""
    facts = replace(STUDY, evaluation=replace(EVALUATION, cases_by_set={"external": 150, "tuning": 10}))
    item = _claim(facts)["33"]
    assert item.status == "partly"
    assert "10 tuning and 150 external test: not all are external" in item.answer
    assert "belong to the sets that the model was made with" in _claim(facts)["40"].answer


def test_cases_of_unknown_origin_are_not_called_external() -> None:
    facts = replace(STUDY, evaluation=replace(EVALUATION, cases_by_set={}))
    assert _claim(facts)["33"].status == "authors"


def test_pretrained_weights_are_not_denied() -> None:
    for pretrained, status in ((None, "partly"), (True, "authors")):
        item = _claim(replace(STUDY, model=replace(MODEL, pretrained=pretrained)))["24"]
        assert item.status == status
        assert "No pretrained weights" not in item.answer


def test_the_fast_recipe_is_told_as_it_is() -> None:
    """It pins its settings as the paper's does, and they are others; its shortest form has a tenth of the rate."""
    fast = replace(
        MODEL, trainer="nnUNetTrainerAMTFast_5epochs", features=(16, 32, 64, 128, 192), region=True, asked_in_part=3
    )  # fmt: skip
    items = _claim(replace(STUDY, model=fast))
    for number, parts in {
        "10": ["ask the network, by a sliding window, in the part of the chest where tumours lie between the lungs"],
        "22": ["PlainConvUNet", "1x3x3 convolutions", "leaky ReLU", "Channels 16, 32, 64, 128, 192"],
        "24": ["normal He distribution"],
        "25": ["seldom noise", "plus the cross-entropy", "learning rate 0.01 falling to nothing"],
        "26": ["The epoch with the highest mean Dice over the whole CTs of the tuning set"],
    }.items():
        for part in parts:
            assert part in items[number].answer, items[number].answer
    for elsewhere in (
        replace(fast, asked_in_part=None),
        replace(fast, region=False),
    ):
        assert "Tuning and prediction take whole CTs" in _claim(replace(STUDY, model=elsewhere))["10"].answer
    short = _claim(replace(STUDY, model=replace(fast, trainer="nnUNetTrainerAMTFast_1epoch")))
    assert "learning rate 0.001 falling to nothing" in short["25"].answer
    assert "constant learning rate 0.001" in _claim(STUDY)["25"].answer


def test_one_network_is_no_ensemble_and_five_are() -> None:
    assert _claim(STUDY)["27"].status == "not applicable"
    five = _claim(replace(STUDY, model=replace(MODEL, folds=("0", "1", "2", "3", "4"))))["27"]
    assert five.status == "answered"
    assert "5 networks" in five.answer


def test_the_tuning_dice_of_fold_all_is_not_called_one_of_unseen_cases() -> None:
    item = _claim(replace(STUDY, model=replace(MODEL, folds=("all",))))["26"]
    assert "cases that were trained on too" in item.answer


def test_kept_names_are_not_called_codes() -> None:
    item = _claim(replace(STUDY, dataset=replace(DATASET, coded=False)))["11"]
    assert item.status == "authors"
    assert "keep" in item.answer
    assert "have codes" not in item.answer


def test_the_notes_about_labels_are_quoted() -> None:
    noted = replace(DATASET, label_origin="outlined by two radiologists", reference="Hospital series")
    item = _claim(replace(STUDY, dataset=noted))["14"]
    assert item.status == "partly"
    assert '"outlined by two radiologists"' in item.answer


def test_a_specificity_is_told_with_its_interval() -> None:
    """20 of 160 scans have no tumour; 18 of them are free of false positives."""
    scans = SpecificitySummary(20, 18, 3, (0.699, 0.972))
    overall = replace(EVALUATION.summary.overall, specificity=scans)
    with_tumour = ("tumour", "with a tumour", group(140, 0.86, (0.84, 0.88)))
    summary = replace(EVALUATION.summary, overall=overall, subgroups=(with_tumour, *EVALUATION.summary.subgroups))
    answers = _claim(replace(STUDY, evaluation=replace(EVALUATION, summary=summary, without_tumour=20)))
    assert (
        "Of 20 scans without a tumour 18 are free of false positives: specificity by scan 0.90 (Wilson's 95% CI 0.70 "
        "to 0.97)."
    ) in answers["38"].answer
    assert "no specificity" not in answers["38"].answer
    assert "over the cases with a tumour alone the mean Dice is 0.86 (95% CI 0.84 to 0.88)." in answers["37"].answer
    assert "Of the specificity Wilson's interval" in answers["29"].answer
    assert "Of 160 evaluated cases, 20 hold no tumour." in answers["35"].answer


def test_patients_that_are_drawn_are_named() -> None:
    """160 CTs of 150 patients: no interval is Wilson's then, and hospitals are still taken for independent."""
    summary = EVALUATION.summary
    for clusters, drawn in ((150, "whole patients with all of their cases"), (160, "resamples of cases")):
        drawn_of = replace(
            summary,
            settings=replace(summary.settings, cluster="patient"),
            overall=replace(summary.overall, clusters=clusters),
        )
        claim, tripod = answered_items(replace(STUDY, evaluation=replace(EVALUATION, summary=drawn_of)))
        answer = {item.number: item.answer for item in claim.items}["29"]
        assert drawn in answer
        assert ("Wilson's" in answer) == (clusters == 160), "with a CT each, drawing patients is drawing cases"
        assert "unless several of these cases are of one patient" in answer
        by_hospital = {item.number: item.answer for item in tripod.items}["12d"]
        assert ("resamples of 150 patients with all of their cases" in by_hospital) == (clusters == 150)
        assert "hospital being alike" in by_hospital


def test_a_readers_triage_is_told_with_the_metric() -> None:
    facts = replace(STUDY, evaluation=replace(EVALUATION, accepted=4, candidates=80))
    assert "80 candidates and took 4 for lesions" in _claim(facts)["28"].answer


def test_a_model_from_elsewhere_is_not_said_to_be_unseen_by_the_external_cases() -> None:
    """Only the recorded hash of the split that it was trained by says so."""
    claim, _ = answered_items(replace(STUDY, model=replace(MODEL, same_split=None, trained=False)))
    items = {item.number: item for item in claim.items}
    assert items["33"].status == "partly"
    assert "That the model was trained by this split is not on record." in items["33"].answer
    for number in ("19", "26", "33"):
        assert "had no part in" not in items[number].answer
    assert "of its training nothing is on record" in items["6"].answer
    other = _claim(replace(STUDY, model=replace(MODEL, same_split=False)))
    assert "The model was trained by another split than this." in other["19"].answer


def test_a_fold_of_everything_chose_nothing_on_a_set_of_its_own() -> None:
    assert "fitted to the training and the tuning set (fold all)" in (
        _claim(replace(STUDY, model=replace(MODEL, folds=("all",))))["19"].answer
    )
    last = _claim(replace(STUDY, model=replace(MODEL, checkpoint="checkpoint_final.pth")))["19"].answer
    assert "fitted to the training set; the external test set had no part in it" in last
    assert "chosen by" not in last


def test_without_a_tuning_set_none_is_told_of() -> None:
    sets = {name: DATASET.sets[name] for name in ("training", "external")}
    items = _claim(replace(STUDY, dataset=replace(DATASET, sets=sets)))
    assert "chosen by" not in items["19"].answer
    assert items["32"].answer == "The dataset has no internal test set."


def test_a_trainer_that_somebody_made_of_ours_is_another() -> None:
    assert _claim(replace(STUDY, model=replace(MODEL, trainer="nnUNetTrainerAMT_focal")))["25"].status == "authors"


def test_a_seed_of_the_training_is_told() -> None:
    item = _claim(replace(STUDY, model=replace(MODEL, seed=7)))["24"]
    assert "the draw has the seed 7." in item.answer


@pytest.mark.parametrize(
    ("option", "words", "in_hu"),
    [
        ("keep_intensities", "values that do not look like HU were kept", False),
        ("trust_geometry", "masks that name another CT were taken by where they lie", True),
        ("resample_masks", "masks on another grid were brought to that of the CT", True),
    ],
)
def test_what_the_conversion_was_told_to_take_is_told(option: str, words: str, in_hu: bool) -> None:
    facts = replace(STUDY, dataset=replace(DATASET, options=(option,), without_tumour=3))
    claim, tripod = ({item.number: item.answer for item in checklist.items} for checklist in answered_items(facts))
    assert f"as asked for, {words}" in claim["9"]
    assert "but of the 3 cases stated to hold no tumour" in claim["9"]
    assert ("whole HU" in claim["9"]) is ("in HU." in tripod["9b"]) is in_hu


def test_without_its_record_the_conversion_is_not_said_to_have_hu_or_codes() -> None:
    facts = replace(STUDY, dataset=replace(DATASET, options_recorded=False, coded=None, audited=False))
    items = _claim(facts)
    assert "whole numbers" in items["9"].answer
    assert "How the conversion was told to read files is not on record." in items["9"].answer
    assert "Whether the case ids are codes of the conversion is not on record." in items["11"].answer
    assert items["20"].status == items["33"].status == "authors"


def test_the_papers_results_stand_beside_those_of_patients_alone() -> None:
    for subjects, beside in (("patients", True), ("phantoms", False), ("patients and phantoms", False), (None, False)):
        text = " ".join(
            item.answer
            for checklist in answered_items(replace(STUDY, subjects=subjects))
            for item in checklist.items
            if item.number in ("25", "36")
        )
        assert ("The published row stands beside these results" in text) is beside, subjects
        assert ("published totals" in text) is beside, subjects


def test_an_evaluation_without_a_dataset_is_not_said_to_be_missing() -> None:
    item = _claim(replace(STUDY, dataset=None))["32"]
    assert "no evaluation" not in item.answer
    assert "Of which sets the evaluated cases are is not on record." in item.answer


def _claim(facts: StudyFacts) -> dict[str, AnsweredItem]:
    return {item.number: item for item in answered_items(facts)[0].items}
