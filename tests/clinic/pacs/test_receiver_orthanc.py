"""The receiver against a real archive: Orthanc has the CTs and counts them, and gets each result once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.clinic.pacs.dicom_orthanc import dicom_archive
from tests.clinic.pacs.killed_receiver import ReceiverProgram, kept_files, send_under_kills
from tests.clinic.pacs.stand_ins import write_study
from tests.images.dicom.dicom_fixtures import series_uid

KILLS = int(os.environ.get("RECEIVER_KILLS", "10"))


@pytest.mark.clinic
@pytest.mark.slow
def test_one_result_a_study_in_orthanc_however_often_we_are_killed(tmp_path: Path) -> None:
    """Nothing lost, nothing doubled, nothing acknowledged and missing; the count is Orthanc's own."""
    names = [f"study{number}" for number in range(max(4, KILLS // 5))]
    files = {name: write_study(tmp_path, name) for name in names}
    with dicom_archive(tmp_path / "orthanc") as orthanc:
        for some in files.values():
            orthanc.store(some)
        program = ReceiverProgram(tmp_path / "program", orthanc.address, slow_seconds=1.0)
        try:
            killed = send_under_kills(program, files, kills=KILLS, seed=2026)
            found = program.wait_until("returned", len(names), seconds=900)
        finally:
            if program.process is not None:
                program.end()
        assert min(killed.values()) > 0
        assert {one.asked for one in found} == {"the archive counts 8 images"}
        assert {one.revision for one in found} == {1}
        assert len(kept_files(program)) == 8 * len(names)
        held = orthanc.instances()
    modalities = Counter(one["Modality"] for one in held)
    assert modalities == {"CT": 8 * len(names), "SEG": len(names), "OT": len(names)}
    segs = [one for one in held if one["Modality"] == "SEG"]
    made_of = {one["ReferencedSeriesSequence"][0]["SeriesInstanceUID"] for one in segs}
    assert made_of == {series_uid(name) for name in names}
