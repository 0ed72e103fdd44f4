"""A case at other thresholds: counts as one can count them on paper, and a picture for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file, write_probabilities
from tests.app.test_results_page import RESULTS, made, study, table_cells
from tests.report.studies import REFERENCE, box

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["made", "study"]  # fixtures
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
    assert rows[9][1:] == ["1", "0.4", "1", "0", "0.67"]
    assert rows[7][1:] == ["1", "0.8", "1", "0", "1.00"]
    assert rows[3][1:] == ["2", "0.9", "1", "1", "0.93"]
    assert rows[18][1:] == ["0", "0.0", "0", "0", "0.00"]
    pictures = {client.get(f"{PAGE}/AMT-0002/{step}.png").content for step in (3, 7, 9, 18)}
    assert len(pictures) == 4
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert 'data-dial-cell="5">0.67<' in page
    assert 'data-dial-cell="5">1.00<' in client.get(f"{PAGE}?case=AMT-0002&step=7").text
    for address in (f"{PAGE}/AMT-0002/19.png", f"{PAGE}/AMT-0001/9.png"):
        assert client.get(address).status_code == 404
    assert 'data-dial-cell="0">0.50<' in client.get(f"{PAGE}?case=AMT-0001&step=99999").text


def test_without_probabilities_there_is_no_slider(client: TestClient, study: Path) -> None:
    answer = client.get(PAGE)
    assert answer.status_code == 404
    assert "no probabilities were kept; switch that on in the results" in answer.text


def test_probabilities_of_another_grid_are_told(client: TestClient, kept: Path) -> None:
    path = probability_file(kept / "predictions", "AMT-0002")
    path.write_bytes(b"no image")
    page = client.get(PAGE)
    assert "AMT-0002.nii.gz" in page.text.partition('role="alert"')[2].partition("</p>")[0]
