"""What a network is trained on: two slices a patient, the largest scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from nnunet_amt.risk.networks.descent import learning_rate
from nnunet_amt.risk.networks.development import gather_cases
from nnunet_amt.risk.networks.images import grey_image
from nnunet_amt.risk.networks.settings import PAPER_NETWORKS, TrainingSettings
from tests.risk.networks.conftest import CASES, SETTINGS
from tests.risk.risk_cases import rois_of

ROIS = rois_of(CASES)


def test_both_slices_of_the_cases_that_are_not_held_out_are_trained_on() -> None:
    development = gather_cases(CASES, ROIS, settings=SETTINGS)
    kept = development.fold != 0
    images, high = development.training_images(kept)
    names = [name for name, is_kept in zip(development.case_ids, kept, strict=True) if is_kept]
    of_case = {case.case_id: case for case in CASES}
    assert len(images) == 2 * len(names) == 12
    for slices, part in ((images[:6], "largest"), (images[6:], "adjacent")):
        for image, name in zip(slices, names, strict=True):
            crop = getattr(ROIS[name], part)
            assert torch.equal(image, grey_image(crop, case_id=name, size=32, normalisation="image"))
    assert high.tolist() == 2 * [int(of_case[name].high) for name in names]


def test_the_hash_tells_other_cases_images_and_folds_and_not_their_order() -> None:
    first = gather_cases(CASES, ROIS, settings=SETTINGS).sha256()
    assert gather_cases(CASES[::-1], ROIS, settings=SETTINGS).sha256() == first
    turned = {**ROIS, CASES[3].case_id: replace(ROIS[CASES[3].case_id], adjacent=ROIS[CASES[3].case_id].largest)}
    others = (
        gather_cases(CASES[:-2], ROIS, settings=SETTINGS),
        gather_cases(CASES, turned, settings=SETTINGS),
        gather_cases(CASES, ROIS, settings=replace(SETTINGS, seed=1)),
        gather_cases(
            [replace(CASES[0], case_id="case_00x"), *CASES[1:]],
            {**ROIS, "case_00x": ROIS["case_000"]},
            settings=SETTINGS,
        ),
    )
    assert len({first, *(other.sha256() for other in others)}) == 5


def test_the_settings_are_the_papers_where_it_gives_them() -> None:
    """500 epochs of 410 images in batches of 16 are its 13,000 steps, the first with a rate of .01."""
    assert len(PAPER_NETWORKS) == 6
    settings = TrainingSettings("resnet101")
    assert settings.epochs * int(np.ceil(410 / settings.batch_size)) == 13_000
    assert learning_rate(settings, 1) == 0.01
    assert settings.pretrained and settings.folds == 5
