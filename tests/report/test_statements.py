"""Each kind of statement that page and checklists make of a study: from a record, and not made without one.

One study of patients and one of phantoms, each laid out as ``nnunet_amt study manifest.csv -o my_study`` leaves it,
with a manifest in its folder; docs/report.md has the same kinds as a table.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from nnunet_amt.base.files import read_record
from nnunet_amt.cli.console import overall_table
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.report import write_report
from tests.report.studies import PageReader, write_lesion_study, write_risk_study, write_study
from tests.study.recorded_model import MODEL, recorded, write_model, write_runs

DATASET = "nnUNet_raw/Dataset711_Tiny"
NOTES = {
    "converted_by": "nnunet_amt 0.1.0",
    "intensity_floor_hu": -1024,
    "label_origin": "Outlined by two readers.",
    "cohort_reference": "Hospital series, 2020.",
}
SPLIT = [{"train": ["AMT-0004", "AMT-0005"], "val": []}]


def write_recorded(folder: Path, subjects: str | None) -> str:
    """Give what the page says of a study with every record."""
    study = write_study(folder, subjects=subjects)
    dataset = study / DATASET
    (dataset / "dataset.json").write_text(json.dumps(read_record(dataset / "dataset.json") | NOTES))
    (dataset / "splits_final.json").write_text(json.dumps(SPLIT))
    settings = {"keep_case_ids": False, "reading": {"keep_intensities": False, "resample_tilt": True}}
    write_runs(dataset, recorded("convert", "2026-11-19", settings=settings) | {"seed": 711})
    write_model(study)
    predicted = read_record(study / "predictions" / "nnunet_amt_runs.json")["runs"][0]
    write_runs(study / "predictions", predicted | {"counts": {"cases": 3, "cases_in_all": 3}})
    return page_of(study)


def page_of(study: Path) -> str:
    path = write_report(study, study.parent / f"{study.name}.html", viewer=False).path
    return PageReader(path.read_text(encoding="utf-8")).text()


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recorded(tmp_path_factory.mktemp("real") / "my_study", "patients")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recorded(tmp_path_factory.mktemp("drawn") / "my_study", "phantoms")


@pytest.fixture(scope="module")
def unrecorded(study: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Label maps and results of an unknown model, beside a dataset of which dataset.json says nothing."""
    return page_of(write_study(tmp_path_factory.mktemp("unsaid") / "my_study", subjects=None))


@pytest.fixture(scope="module")
def with_risk(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The part about uses and the sections of a study of risk: of patients, of phantoms, and where nothing says."""
    texts = []
    for subjects in ("patients", "phantoms", None):
        folder = Path(shutil.copytree(study, tmp_path_factory.mktemp("risk") / "my_study"))
        write_risk_study(folder, subjects=subjects)
        write_lesion_study(folder, subjects=subjects)
        page = write_report(folder, folder / "page.html", viewer=False).path.read_text(encoding="utf-8")
        sections = re.findall(r'<section id="(?:uses|risk|binary|multiclass)".*?</section>', page, re.DOTALL)
        assert len(sections) == 4
        texts.append(PageReader("".join(sections)).text())
    return tuple(texts)


# Kind, what is said of patients, of phantoms, and where no record says it; None: nothing of the kind.
STATEMENTS = {
    "subjects": (
        None,
        "The cases are phantoms, drawn by a program; no patient is among them.",
        "Of what the CTs are, patients or phantoms, is not on record in the dataset.",
    ),
    "published": (
        "Rows in italics are the published ones, of other cases.",
        "The cases are phantoms, so the paper's results do not stand beside these",
        "That the cases are patients is not on record",
    ),
    "external": (
        "tested on 3 CTs of 2 institutions, none of which gave a case to its training or tuning.",
        "tested on 3 drawn CTs of 2 made-up institutions, none of which gave a case to its training or tuning.",
        "by which split it was trained is not on record",
    ),
    "use": (*["For research only: none may guide a patient's care."] * 3,),
    "trained on": (
        "2 CTs of 2 patients from 1 institution.",
        "2 CTs of phantoms from 1 made-up institution.",
        "Trained on Not on record in this study.",
    ),
    "not tested on": (
        "Not tested on CTs without a tumour.",
        "Patients: every case is a phantom; CTs without a tumour.",
        "Patients, as far as is on record; CTs without a tumour.",
    ),
    "labels": (
        *["Outlined by two readers."] * 2,
        "Who drew the reference outlines, and how, is not recorded in the dataset.",
    ),
    "cohort": (*["The cohort: Hospital series, 2020."] * 2, None),
    "trainer": (
        *["nnU-Net v2 with the trainer nnUNetTrainerAMT_5epochs and the plans nnUNetAMTPlans."] * 2,
        "What the model is and how it was trained is not recorded in this study.",
    ),
    "training": (*["It was trained for 2 epochs, in 2.0 s on GPU X."] * 2, "No run record leads from the predictions"),
    "prediction": (*["3 cases predicted"] * 2, "There is no record of the prediction in this study"),
    "checkpoint": (*["The checkpoint that predicted is checkpoint_best.pth (SHA-256 c0c0c0c0c0c0…)."] * 2, None),
    "conversion": (
        *["The conversion wrote each CT as whole HU, values under -1024 raised to it"] * 2,
        "The study folder shows neither dataset nor plans.",
    ),
    "tilt": (*["(as asked for, tilted series were straightened)"] * 2, None),
    "codes": (
        "Cases and institutions have codes in the dataset",
        "There is nobody to identify.",
        "which gives codes to cases",
    ),
    "leakage": (*["no institution of the external test set gave a case to training or tuning"] * 3,),
    "ethics": (
        "name the ethics board, its decision and number",
        "No ethics board has to be asked.",
        "name the ethics board, its decision and number",
    ),
    "single training": (*["One trained network was evaluated."] * 2, None),
    "intervals": (*["95% intervals are a percentile bootstrap over cases (50 resamples"] * 3,),
    "flow figure": (*["Not here: The flow figure is missing from the dataset."] * 3,),
}
# The same of the study of risk and the tasks of lesions that stand in it.
STATEMENTS_OF_RISK = {
    "subjects": (
        None,
        "The cases are phantoms, so the paper's results",
        "That the cases are patients is not on record",
    ),
    "risk trained on": (
        "6 CTs of 6 patients from 1 institution.",
        "6 CTs of phantoms from 1 made-up institution.",
        "6 CTs from 1 institution (whether of patients is not on record).",
    ),
    "lesions tested on": (
        "15 CTs of 15 patients from 1 institution, none of which it was trained on.",
        "15 CTs of phantoms from 1 made-up institution, none of which it was trained on.",
        "15 CTs from 1 institution (whether of patients is not on record), none of which it was trained on.",
    ),
    "not tested on": (
        "Not tested on CTC levels in another unit than pg/ml.",
        "Patients: every case is a phantom; CTC levels in another unit than pg/ml.",
        "Patients, as far as is on record; CTC levels in another unit than pg/ml.",
    ),
    "published": ("DMFN model, published (test)", "do not stand beside these", "do not stand beside these"),
}
# What must never stand there.
NEVER = {
    "patients": ("phantom",),
    "phantoms": ("0.82", "published, other cases", "372 (52.3%)", "patients are others", "Published p"),
    "unrecorded": ("0.82", "published, other cases", "Glorot", "whole HU", "have codes", "no patient", "no part in"),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_statement_stands_where_a_record_says_it(kind: str, patients: str, phantoms: str, unrecorded: str) -> None:
    require_said((patients, phantoms, unrecorded), STATEMENTS[kind])


@pytest.mark.parametrize("kind", STATEMENTS_OF_RISK)
def test_so_do_those_of_a_study_of_risk(kind: str, with_risk: tuple[str, ...]) -> None:
    require_said(with_risk, STATEMENTS_OF_RISK[kind])


def require_said(texts: tuple[str, ...], statements: tuple[str | None, ...]) -> None:
    """Of each study its own statement stands there, and none that is of another."""
    for text, own in zip(texts, statements, strict=True):
        assert own is None or own in text, own
        assert not [other for other in statements if other not in (None, own) and other in text]


def test_nothing_is_said_of_one_study_that_is_true_of_the_other_alone(
    patients: str, phantoms: str, unrecorded: str
) -> None:
    for name, text in (("patients", patients), ("phantoms", phantoms), ("unrecorded", unrecorded)):
        assert not [words for words in NEVER[name] if words in text], name


def test_what_was_evaluated_before_it_was_on_record_is_to_be_evaluated_again(tmp_path: Path) -> None:
    """Its FROC may have been drawn with the paper's point."""
    study = write_study(tmp_path / "my_study", subjects=None)
    dataset = study / DATASET
    (dataset / "dataset.json").write_text(json.dumps({"subjects": "phantoms"}))
    text = page_of(study)
    assert "Not here: It was evaluated before it was on record of what the cases are." in text
    assert "nnunet_amt evaluate predictions nnUNet_raw/Dataset711_Tiny/labelsTs -o evaluation" in text
    assert "Form of the paper's Fig. 4" not in text


def test_the_screen_has_the_published_column_for_patients_alone(tmp_path: Path) -> None:
    summary = read_summary(write_study(tmp_path / "my_study", subjects="phantoms") / "evaluation")
    assert summary.subjects == "phantoms"
    for subjects, columns in (("patients", 3), ("phantoms", 2), ("patients and phantoms", 2), (None, 2)):
        table = overall_table(summary.overall, subjects=subjects)
        assert len(table.columns) == columns
        assert ("other patients" in str(table.caption)) is (columns == 3)


def test_another_trainer_has_none_of_the_recipe(tmp_path: Path) -> None:
    study = write_study(tmp_path / "my_study")
    model = write_model(study)
    model.rename(model.with_name("nnUNetTrainer__nnUNetPlans__3d_fullres"))
    record = study / "predictions" / "nnunet_amt_runs.json"
    record.write_text(record.read_text().replace(Path(MODEL).name, "nnUNetTrainer__nnUNetPlans__3d_fullres"))
    text = page_of(study)
    assert "nnU-Net v2 with the trainer nnUNetTrainer and the plans nnUNetPlans." in text
    assert not [
        words for words in ("keeps the paper's recipe", "Glorot", "Adam with", "one is centred") if words in text
    ]


def test_a_recipe_with_a_window_of_its_own_is_not_called_the_papers(tmp_path: Path) -> None:
    """The paper rescales the range of its dataset at a constant rate; the demo's trainer has a rate that falls."""
    study = write_study(tmp_path / "my_study")
    model = write_model(study)
    assert "The trainer keeps the paper's recipe: 3D U-Net" in page_of(study)
    plans = json.loads((model / "plans.json").read_text())
    plans["foreground_intensity_properties_per_channel"]["0"] |= {"min": -1024.0, "max": 3000.0}
    (model / "plans.json").write_text(json.dumps(plans))
    assert "The trainer keeps the paper's recipe but for the window of HU: 3D U-Net" in page_of(study)
    demo = model.name.replace("_5epochs", "_demo")
    model.rename(model.with_name(demo))
    record = study / "predictions" / "nnunet_amt_runs.json"
    record.write_text(record.read_text().replace(model.name, demo))
    assert "recipe but for the learning rate and the window of HU: 3D U-Net" in page_of(study)
