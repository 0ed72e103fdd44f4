"""A case at other thresholds: counts as one can count them on paper, and a picture for each."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnunet_amt.app import results_thresholds
from nnunet_amt.app.jobs import JobStore
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file, write_probabilities
from nnunet_amt.report.other_thresholds import outcomes_of
from nnunet_amt.study.settings import StudyFolders, read_settings
from tests.app.stand_ins import python, wait_for
from tests.app.test_results_page import RESULTS, SAME_SITE, made, store, study, table_cells
from tests.report.studies import REFERENCE, box

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["made", "store", "study"]  # fixtures
PAGE = f"{RESULTS}/thresholds"


@pytest.fixture
def kept(study: Path) -> Path:
    """Of case 2: 0.9 in the half that is outlined, 0.4 in the other half, and 0.2 in 60 voxels elsewhere."""
    path = study / "predictions" / "AMT-0002.nii.gz"
    levels = np.where(REFERENCE > 0, 102, 0).astype(np.uint8)
    levels[box((2, 20, 20, 5, 24, 25)) > 0] = 51
    levels[box((2, 5, 5, 4, 15, 15)) > 0] = 230
    write_probabilities(probability_file(path.parent, "AMT-0002"), levels, geometry=read_geometry(path))
    return study


def test_outlines_and_counts_move_with_the_threshold(client: TestClient, kept: Path) -> None:
    """Of 400 voxels of 2 mm³ half are at 0.9: Dice 2/3; all are at 0.4: 1; 60 more at 0.2: 800 / 860."""
    assert "Probabilities were kept of 1 of 3 cases." in client.get(RESULTS).text
    page = client.get(PAGE).text
    rows = table_cells(page, "Case AMT-0002 at every threshold")
    assert [len(rows), rows[0][0], rows[9][0]] == [19, "0.05", "0.50"]
    assert rows[9][1:] == ["1", "0.4", "1", "0", "0.67", "1.000", "0.00"]
    assert rows[7][1:] == ["1", "0.8", "1", "0", "1.00", "1.000", "0.00"]
    assert rows[3][1:] == ["2", "0.9", "1", "1", "0.93", "1.000", "1.00"]
    assert rows[18][1:] == ["0", "0.0", "0", "0", "0.00", "0.000", "0.00"]
    pictures = {client.get(f"{PAGE}/AMT-0002/{step}.png").content for step in (3, 7, 9, 18)}
    assert len(pictures) == 4
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert 'data-dial-cell="5">0.67<' in page
    assert 'data-dial-cell="5">1.00<' in client.get(f"{PAGE}?case=AMT-0002&step=7").text
    for address in (f"{PAGE}/AMT-0002/19.png", f"{PAGE}/AMT-0001/9.png"):
        assert client.get(address).status_code == 404
    assert 'data-dial-cell="0">0.50<' in client.get(f"{PAGE}?case=AMT-0001&step=99999").text


def test_all_cases_are_counted_beside_the_one_that_is_shown(client: TestClient, kept: Path) -> None:
    """Of the lesions of two cases one is found at 0.50; at 0.20 there is one false positive in two scans."""
    path = kept / "predictions" / "AMT-0001.nii.gz"
    nothing = np.zeros(REFERENCE.shape, np.uint8)
    write_probabilities(probability_file(path.parent, "AMT-0001"), nothing, geometry=read_geometry(path))
    for step, sensitivity, false_positives in ((9, "0.500", "0.00"), (3, "0.500", "0.50"), (18, "0.000", "0.00")):
        page = client.get(f"{PAGE}?case=AMT-0002&step={step}").text
        assert "All cases with probabilities (2) at this threshold:" in page
        assert f'data-dial-cell="6">{sensitivity}<' in page
        assert f'data-dial-cell="7">{false_positives}<' in page


def test_counting_all_cases_does_not_hold_the_page_up(
    client: TestClient, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow(*given: Any, **settings: Any) -> Any:
        assert goes_on.wait(30)
        return outcomes_of(*given, **settings)

    monkeypatch.setattr(results_thresholds, "outcomes_of", slow)
    monkeypatch.setattr(results_thresholds, "_PATIENCE_SECONDS", 0.1)
    page = client.get(PAGE).text
    assert "All cases are being counted" in page
    assert 'data-dial-cell="5">0.67<' in page
    goes_on.set()
    wait_for(lambda: "data-reload" in client.get(f"{PAGE}/pooled").text)
    assert 'data-dial-cell="6">1.000<' in client.get(PAGE).text


def test_operating_points_are_chosen_by_a_job(
    client: TestClient, study: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an older model are not shown."""
    settings = read_settings(study)
    checkpoint = StudyFolders.of(study, settings).fold_folder / settings.predict.checkpoint
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_bytes(b"weights")
    tuning = {"sensitivity": {"mean": 0.9123}, "fp_per_scan": {"mean": 0.75}}
    points = {"points": {"screening": {"candidate_threshold": 0.3, "tuning": tuning}}}
    file = checkpoint.with_name("operating_points.json")
    script = f"import pathlib; pathlib.Path({str(file)!r}).write_text({json.dumps(points)!r})"
    monkeypatch.setattr(results_thresholds, "calibrate_command", lambda folder: python(script))
    answer = client.post(f"{RESULTS}/calibrate", headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == f"{RESULTS}#threshold"
    wait_for(lambda: store.jobs()[0].is_over)
    assert store.jobs()[0].takes_device
    caption = "Operating points, with what they reached on the tuning cases"
    assert table_cells(client.get(RESULTS).text, caption) == [["screening", "0.30", "0.912", "0.75"]]
    os.utime(checkpoint, (time.time() + 60,) * 2)
    assert caption not in client.get(RESULTS).text


def test_without_probabilities_there_is_no_slider(client: TestClient, study: Path) -> None:
    answer = client.get(PAGE)
    assert answer.status_code == 404
    assert "no probabilities were kept; switch that on in the results" in answer.text


def test_probabilities_of_another_grid_are_told(client: TestClient, kept: Path) -> None:
    path = probability_file(kept / "predictions", "AMT-0002")
    path.write_bytes(b"no image")
    page = client.get(PAGE)
    assert "AMT-0002.nii.gz" in page.text.partition('role="alert"')[2].partition("</p>")[0]
