"""A later result of the same series is another object that says so, even where its mask is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom

from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions
from nnunet_amt.clinic.lesions import find_lesions
from tests.clinic.builders import MAKER, source_series


def test_every_object_of_a_revision_is_another_one(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    mask = np.zeros((6, 10, 12), dtype=bool)
    mask[1:4, 2:6, 3:7] = True
    image = np.zeros(mask.shape, np.int16)
    lesions = find_lesions(mask, source.series.geometry, image=image, probability_levels=None, minimum_voxels=10)
    objects = CaseObjects(source, image, mask, lesions)
    options = ObjectOptions(kinds=("seg", "rtstruct", "sc", "sr"))
    made = []
    for revision in (1, 2):
        files = objects.write(tmp_path / str(revision), maker=replace(MAKER, revision=revision), options=options)
        made.append([pydicom.dcmread(file) for file in files])
    assert len(made[0]) == len(made[1]) == 4
    uids = [{one.SOPInstanceUID for one in some} | {one.SeriesInstanceUID for one in some} for some in made]
    assert len(uids[0]) == len(uids[1]) == 8 and not uids[0] & uids[1]
    assert not any("revision" in one.SeriesDescription for one in made[0])
    assert all(one.SeriesDescription.endswith("(research only) revision 2") for one in made[1])


def test_a_long_word_for_the_subjects_does_not_push_the_revision_out_of_the_64_characters_of_dicom() -> None:
    maker = replace(MAKER, revision=12, trained_on="phantoms of a harder design")
    said = maker.series_description("measurements")
    assert len(said) == 64
    assert said.startswith("AMT measurements (research only, model of ")
    assert said.endswith(" revision 12")
