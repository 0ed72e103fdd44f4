"""Two models of a study are compared by a job, with an endpoint named before looking. Figures are blank here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from nnunet_amt.app.jobs import JobStore
from nnunet_amt.app.results_compare import Asked, other_trainers, output_of
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.comparison import ComparisonSettings, compare
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.study.settings import read_settings
from tests.app.stand_ins import wait_for
from tests.app.test_results_page import RESULTS, SAME_SITE, made, store, study
from tests.report.studies import blank_figures

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["made", "store", "study"]  # fixtures
OURS, OTHER = "evaluation", "baseline/default/evaluation"
ASKED = {"first": OURS, "other": OTHER, "primary": "sensitivity_0.5"}


@pytest.fixture
def two_models(study: Path) -> Path:
    """The other model outlines the missed case as well as the first, so that its Dice is 1 in all three."""
    labels = study / "nnUNet_raw" / "Dataset711_Tiny" / "labelsTs"
    place = study / "baseline" / "default"
    shutil.copytree(labels, place / "predictions")
    with mock.patch("nnunet_amt.evaluation.evaluate.write_figures", blank_figures):
        evaluate(
            place / "predictions",
            labels,
            place / "evaluation",
            cohort=labels.parent / "cohort.csv",
            settings=EvaluationSettings(bootstrap_resamples=50),
        )
    return study


def test_the_job_is_the_command_with_the_endpoint(client: TestClient, two_models: Path, store: JobStore) -> None:
    page = client.get(RESULTS).text
    assert f'<option value="{OTHER}" selected>standard nnU-Net: default' in page
    answer = client.post(f"{RESULTS}/compare", data=ASKED, headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == f"{RESULTS}#comparison"
    [job] = store.jobs()
    store.stop(job.id)
    output = two_models / "comparisons" / "baseline_default_vs_evaluation"
    first, other = two_models / OURS, two_models / OTHER
    assert job.command == (
        *("nnunet_amt", "compare", str(first), str(other), "-o", str(output)),
        *("--names", "this study", "--names", "nnU-Net default", "--primary", "sensitivity_0.5"),
    )
    assert (job.kind, job.takes_device) == ("compare", False)


def test_a_comparison_is_shown_with_its_endpoint_and_keeps_it(client: TestClient, two_models: Path) -> None:
    """Mean Dice 1 against 0.56: the sentence says 0.444 higher, as comparison.json has it."""
    output = output_of(Asked(OTHER, OURS), two_models)
    assert output == output_of(Asked(OURS, OTHER), two_models)
    with mock.patch("nnunet_amt.evaluation.comparison.compare.write_figures", lambda *_: ()):
        compare(
            [two_models / OURS, two_models / OTHER],
            output,
            names=["this study", "nnU-Net default"],
            settings=ComparisonSettings(bootstrap_resamples=50, permutations=50, primary="sensitivity_0.5"),
        )
    page = client.get(RESULTS).text
    [sentence] = json.loads((output / "comparison.json").read_text())["sentences"]
    assert "0.444 higher" in sentence
    assert sentence.replace(">", "&gt;").replace("'", "&#39;") in page
    assert "Primary endpoint, named before looking: Sensitivity, IoU &gt; 0.5." in page
    answer = client.post(f"{RESULTS}/compare", data={**ASKED, "primary": "dice"}, headers=SAME_SITE)
    assert answer.status_code == 400
    problem = answer.text.partition('id="primary-problem"')[2].partition("</span>")[0]
    assert "with another primary endpoint (Sensitivity, IoU &gt; 0.5)" in problem


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"other": OURS}, "other", "This is the first model again"),
        ({"first": "../../etc"}, "first", "Choose a model of the list."),
        ({"primary": "luck"}, "primary", "Choose an endpoint of the list."),
    ],
)
def test_what_cannot_be_compared_is_told_at_its_field(
    client: TestClient, two_models: Path, store: JobStore, change: dict[str, str], field: str, says: str
) -> None:
    answer = client.post(f"{RESULTS}/compare", data={**ASKED, **change}, headers=SAME_SITE)
    assert answer.status_code == 400
    assert says in answer.text.partition(f'id="{field}-problem"')[2].partition("</span>")[0]
    assert store.jobs() == ()


def test_an_evaluation_of_other_cases_is_not_offered(client: TestClient, two_models: Path) -> None:
    cases = two_models / OTHER / "cases.csv"
    cases.write_text("\n".join(cases.read_text().splitlines()[:-1]) + "\n")
    page = client.get(RESULTS).text
    assert "standard nnU-Net: default" not in page
    assert "There is no other model yet" in page


def test_another_trained_model_is_measured_by_a_job(client: TestClient, study: Path, store: JobStore) -> None:
    """Of those that were trained in the study only the ones that are not its own."""
    models = study / "nnUNet_results" / "Dataset711_Tiny"
    for trainer in ("nnUNetTrainerAMT", "nnUNetTrainerAMT_5epochs"):
        fold = models / f"{trainer}__nnUNetAMTPlans__3d_fullres" / "fold_0"
        fold.mkdir(parents=True)
        (fold / "checkpoint_best.pth").touch()
    assert other_trainers(study, read_settings(study)) == ("nnUNetTrainerAMT_5epochs",)
    address = f"{RESULTS}/other-model"
    assert client.post(address, data={"trainer": "nnUNetTrainerAMT"}, headers=SAME_SITE).status_code == 400
    client.post(address, data={"trainer": "nnUNetTrainerAMT_5epochs"}, headers=SAME_SITE)
    [job] = store.jobs()
    store.stop(job.id)
    assert job.command == ("nnunet_amt", "study", str(study), "--other-model", "nnUNetTrainerAMT_5epochs")
    assert job.takes_device
    wait_for(lambda: store.job(job.id).is_over)
    place = study / "models" / "nnUNetTrainerAMT_5epochs" / "evaluation"
    shutil.copytree(study / "evaluation", place)
    assert other_trainers(study, read_settings(study)) == ()
    assert "another model of this study: nnUNetTrainerAMT_5epochs" in client.get(RESULTS).text
