"""Which folders a study is made of: by the run records, and without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.study import find_study
from tests.study.tiny_study import (
    COUNTS,
    write_dataset,
    write_failures,
    write_predictions,
    write_results,
    write_run,
    write_study,
)


def test_the_demos_layout_is_found_without_records(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "amt_demo")
    (folder / "comparison").mkdir()
    (folder / "comparison" / "comparison.json").write_text("{}")
    study = find_study(folder)
    dataset = folder / "nnUNet_raw" / "Dataset711_AMT"
    assert study.folder == folder
    assert study.evaluation.path == folder / "evaluation"
    assert study.evaluation.predictions == folder / "predictions"
    assert study.evaluation.references == dataset / "labelsTs"
    assert study.evaluation.cohort == dataset / "cohort.csv"
    assert study.evaluations == (study.evaluation,)
    assert (study.dataset, study.images) == (dataset, dataset / "imagesTs")
    assert study.failures == folder / "evaluation_failures"
    assert study.comparison == folder / "comparison"
    assert study.records == ()


def test_what_is_missing_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    write_results(tmp_path / "evaluation")
    study = find_study(tmp_path)
    parts = (study.dataset, study.images, study.failures, study.comparison)
    assert parts == (None, None, None, None)
    assert (study.evaluation.predictions, study.evaluation.references, study.evaluation.cohort) == (None, None, None)


def test_a_study_of_risk_alone_is_refused_with_its_own_page(tmp_path: Path) -> None:
    """Which a page of a segmentation's evaluation cannot be made of."""
    for name in ("evaluation/risk_summary.json", "evaluation/risk_tables.html", "readers/reader_study.json"):
        path = tmp_path / "risk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder, page in ((tmp_path, "risk/evaluation"), (tmp_path / "risk", "evaluation")):
        with pytest.raises(BadInputError, match=rf"no evaluation of a segmentation in it; .* {page}/risk_tables.html$"):
            find_study(folder)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_so_is_a_study_with_ctc_alone(tmp_path: Path, task: str) -> None:
    folder = tmp_path / "risk" / "fusion" / task
    for name in ("evaluation/lesion_summary.json", "evaluation/lesion_tables.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in ("lesion_reader_study.json", "lesion_reader_tables.html"):
        (folder / "readers").mkdir(exist_ok=True)
        (folder / "readers" / name).touch()
    pages = f"risk/fusion/{task}/evaluation/lesion_tables.html and risk/fusion/{task}/readers/lesion_reader_tables.html"
    with pytest.raises(BadInputError, match=rf"its study of risk is shown by {pages}$"):
        find_study(tmp_path)


def test_the_dataset_may_stand_in_nnunets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    dataset = write_dataset(tmp_path / "raw" / "Dataset711_AMT")
    write_results(tmp_path / "study" / "evaluation")
    assert find_study(tmp_path / "study").dataset == dataset


def test_a_dataset_of_other_cases_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    write_dataset(tmp_path / "Dataset001_Other")
    write_results(tmp_path / "evaluation", {"AMT-0001": (1, 1, 1), "AMT-0077": (1, 1, 1)})
    study = find_study(tmp_path)
    assert study.evaluation.references is None
    assert study.images is None
    assert study.dataset is None, "what it says of its cases is not said of these"


def test_a_dataset_whose_labels_are_gone_is_known_by_its_cohort_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    dataset = write_dataset(tmp_path / "Dataset711_AMT")
    (dataset / "labelsTs" / "AMT-0002.nii.gz").unlink()
    (dataset / "cohort.csv").write_text("case_id\nAMT-0001\nAMT-0002\n")
    write_results(tmp_path / "evaluation")
    study = find_study(tmp_path)
    assert (study.evaluation.references, study.dataset) == (None, dataset)


def test_of_two_datasets_with_the_same_codes_neither_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AMT-0001 is a case of every converted dataset; which was evaluated only a record can say."""
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    for name in ("Dataset711_AMT", "Dataset712_Other"):
        write_dataset(tmp_path / name)
    write_results(tmp_path / "evaluation")
    study = find_study(tmp_path)
    assert (study.evaluation.references, study.dataset) == (None, None)


def test_records_win_over_names(tmp_path: Path) -> None:
    """Two folders could be the predictions; the record says which was evaluated, and where the references are."""
    folder = write_study(tmp_path / "study")
    write_predictions(folder / "second_model" / "labels_of_it")
    write_dataset(tmp_path / "elsewhere" / "Dataset712_AMT")
    write_run(
        *(folder / "evaluation", "evaluate", "2026-11-21T12:00:00+00:00"),
        predictions="../second_model/labels_of_it",
        references="../../elsewhere/Dataset712_AMT/labelsTs",
    )
    study = find_study(folder)
    assert study.evaluation.predictions == folder / "second_model" / "labels_of_it"
    assert study.dataset == tmp_path / "elsewhere" / "Dataset712_AMT"
    assert study.images == tmp_path / "elsewhere" / "Dataset712_AMT" / "imagesTs"


def test_a_record_of_a_study_that_was_moved_falls_back_on_names(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    write_run(folder / "evaluation", "evaluate", "2026-11-21T12:00:00+00:00", predictions="../../gone")
    assert find_study(folder).evaluation.predictions == folder / "predictions"


def test_records_are_followed_and_told_in_the_order_of_time(tmp_path: Path) -> None:
    """From the predictions to the model's fold, outside of the study: told by its last names, never by whose it is."""
    folder, model = write_study(tmp_path / "study"), tmp_path / "jane" / "results" / "Trainer__Plans__3d_fullres"
    dataset = folder / "nnUNet_raw" / "Dataset711_AMT"
    write_run(folder / "predictions", "predict", "2026-11-21T12:00:00+00:00", model="../../jane/results/" + model.name)
    write_run(model / "fold_0", "train", "2026-11-21T11:00:00+00:00")
    write_run(dataset, "convert", "2026-11-21T10:00:00+00:00")
    write_run(
        *(folder / "evaluation", "evaluate", "2026-11-21T13:00:00+00:00"),
        predictions="../predictions",
        references="../nnUNet_raw/Dataset711_AMT/labelsTs",
    )
    told = [(path, run["stage"]) for path, run in find_study(folder).records]
    assert told == [
        ("nnUNet_raw/Dataset711_AMT", "convert"),
        ("Trainer__Plans__3d_fullres/fold_0", "train"),
        ("predictions", "predict"),
        ("evaluation", "evaluate"),
    ]


def test_the_usual_evaluation_is_chosen_among_several(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    write_results(folder / "baseline" / "nnUNetTrainer" / "evaluation")
    study = find_study(folder)
    assert study.evaluation.path == folder / "evaluation"
    assert [found.path for found in study.evaluations] == [
        folder / "evaluation",
        folder / "baseline" / "nnUNetTrainer" / "evaluation",
    ]
    other = find_study(folder, evaluation=folder / "baseline" / "nnUNetTrainer" / "evaluation")
    assert other.evaluation.path == folder / "baseline" / "nnUNetTrainer" / "evaluation"
    assert find_study(folder, evaluation=Path("baseline/nnUNetTrainer/evaluation")) == other, "also told from the study"


def test_a_folder_of_results_is_a_study_too(tmp_path: Path) -> None:
    write_study(tmp_path)
    assert find_study(tmp_path / "evaluation").evaluation.path == tmp_path / "evaluation"


def test_several_evaluations_without_the_usual_name_are_named(tmp_path: Path) -> None:
    write_results(tmp_path / "first")
    write_results(tmp_path / "second")
    with pytest.raises(BadInputError, match=r"holds 2 evaluations \(first, second\).*--evaluation"):
        find_study(tmp_path)


def test_a_study_without_evaluation_says_what_to_run(tmp_path: Path) -> None:
    nnunets = tmp_path / "fold_0" / "validation"  # nnU-Net writes a summary.json of its own
    nnunets.mkdir(parents=True)
    (nnunets / "summary.json").write_text(json.dumps({"foreground_mean": {"Dice": 0.5}}))
    with pytest.raises(BadInputError, match="no evaluation in it; make one: nnunet_amt evaluate"):
        find_study(tmp_path)
    with pytest.raises(BadInputError, match="validation: holds no evaluation"):
        find_study(tmp_path, evaluation=nnunets)
    with pytest.raises(BadInputError, match="no such folder"):
        find_study(tmp_path / "nowhere")


def test_failures_of_other_predictions_are_not_taken(tmp_path: Path) -> None:
    """One voxel more in one case: it is the analysis of another model."""
    folder = write_study(tmp_path)
    write_failures(folder / "a_failures", COUNTS | {"AMT-0002": (1, 0, 7)})
    assert find_study(folder).failures == folder / "evaluation_failures"


def test_a_comparison_of_other_evaluations_is_not_taken(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    write_results(folder / "other")
    for name, evaluated in (("comparison", "../other"), ("comparison_2", "../evaluation")):
        write_run(folder / name, "compare", "2026-11-21T12:00:00+00:00", a=evaluated)
        (folder / name / "comparison.json").write_text("{}")
    assert find_study(folder).comparison == folder / "comparison_2"
