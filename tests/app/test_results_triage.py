"""Decisions on false positives are kept as ``evaluate --triage`` reads them, and what they change is shown."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from nnunet_amt.app.jobs import JobStore
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.settings import EvaluationSettings
from tests.app.test_results_page import RESULTS, SAME_SITE, made, store, study
from tests.report.studies import blank_figures

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["made", "store", "study"]  # fixtures
TRIAGE = f"{RESULTS}/triage"
# Case 3: nothing of its tumour, and a lesion of 60 voxels of 2 mm³ elsewhere.
DECIDED = {"decision-AMT-0003/1": "accept", "note-AMT-0003/1": '=a node,  "left"'}


def kept(study: Path) -> list[dict[str, str]]:
    with (study / "triage" / "decisions.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_decisions_are_kept_and_shown_again(client: TestClient, study: Path) -> None:
    page = client.get(TRIAGE).text
    assert page.count("<tr data-decision=") == 1
    assert 'class="figure-cell">0.12<' in page
    assert "data-when-kept hidden" in page  # nothing is decided yet
    assert 'href="/studies/mine/results/triage?lang=ja"' in page
    answer = client.post(TRIAGE, data=DECIDED, headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == f"{TRIAGE}?saved"
    [row] = kept(study)
    assert (row["case_id"], row["lesion"], row["voxels"], row["decision"]) == ("AMT-0003", "1", "60", "accept")
    assert not row["note"].startswith("=")  # a spreadsheet would run it
    page = client.get(TRIAGE).text
    assert '<tr data-decision="accept">' in page
    assert 'value="=a node, &#34;left&#34;"' in page
    client.post(TRIAGE, data={"decision-AMT-0003/1": "perhaps"}, headers=SAME_SITE)
    assert kept(study)[0]["decision"] == "accept"


def test_counted_decisions_say_both_rates(client: TestClient, study: Path, store: JobStore) -> None:
    """One false positive in three scans is 0.33 a scan; accepted, there is none. The study's results stay."""
    client.post(TRIAGE, data=DECIDED, headers=SAME_SITE)
    before = (study / "evaluation" / "summary.json").read_bytes()
    client.post(f"{TRIAGE}/count", headers=SAME_SITE)
    [job] = store.jobs()
    store.stop(job.id)
    labels = study / "nnUNet_raw" / "Dataset711_Tiny" / "labelsTs"
    triaged, decisions = study / "evaluation_triaged", study / "triage" / "decisions.csv"
    assert job.command[:6] == (
        *("nnunet_amt", "evaluate", str(study / "predictions"), str(labels), "-o", str(triaged)),
    )
    assert job.command[-2:] == ("--triage", str(decisions))
    with mock.patch("nnunet_amt.evaluation.evaluate.write_figures", blank_figures):
        settings = EvaluationSettings(bootstrap_resamples=50)
        evaluate(study / "predictions", labels, triaged, triage=decisions, settings=settings)
    page = client.get(TRIAGE).text
    assert "Accepted: 1. Dismissed: 0. Undecided: 0." in page
    rows = page.partition('id="counted"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    assert '<th scope="row">0.1</th><td class="figure-cell">0.33</td><td class="figure-cell">0.00</td>' in rows
    assert "count again" not in page
    client.post(TRIAGE, data={"decision-AMT-0003/1": "dismiss"}, headers=SAME_SITE)
    assert "have changed since this was counted: count again" in client.get(TRIAGE).text
    assert (study / "evaluation" / "summary.json").read_bytes() == before


def test_a_file_of_the_report_is_taken_and_others_are_refused(client: TestClient, study: Path) -> None:
    head = "case_id,lesion,voxels,decision,note\r\n"

    def sent(rows: str) -> tuple[int, str]:
        files = {"decisions": ("decisions.csv", head + rows, "text/csv")}
        answer = client.post(f"{TRIAGE}/file", files=files, headers=SAME_SITE)
        return answer.status_code, answer.text

    status, page = sent("AMT-0003,1,60,dismiss,vessel\r\n")
    assert status == 200
    assert '<tr data-decision="dismiss">' in page and 'value="vessel"' in page
    for rows, says in (
        ("AMT-0003,1,61,accept,\r\n", "This file is of other findings"),
        ("AMT-0001,1,60,accept,\r\n", "This file is of other findings"),
        ("AMT-0003,1,60,perhaps,\r\n", "decisions.csv line 2, column &#39;decision&#39;: is &#39;perhaps&#39;"),
    ):
        status, page = sent(rows)
        assert status == 400
        assert says in page.partition('role="alert"')[2].partition("</p>")[0]
    assert kept(study)[0]["decision"] == "dismiss"


def test_a_damaged_file_of_decisions_is_told(client: TestClient, study: Path) -> None:
    (study / "triage").mkdir()
    (study / "triage" / "decisions.csv").write_text("case_id\nAMT-0003\n")
    answer = client.get(TRIAGE)
    assert answer.status_code == 400
    assert "mine/triage/decisions.csv" in answer.text.partition('role="alert"')[2].partition("</p>")[0]
