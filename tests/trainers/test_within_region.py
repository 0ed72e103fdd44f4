"""The network is asked within a part of the image: background outside, but everything where a finding goes on."""

from __future__ import annotations

import torch

from nnunet_amt.trainers.within_region import logits_within

IMAGE = torch.zeros((1, 6, 8, 8))
BOX = (slice(0, 6), slice(2, 7), slice(1, 8))  # all of z, and to the end of x


def asked(found: list[tuple[int, int, int]]) -> tuple[torch.Tensor, list[torch.Size]]:
    """Ask a network that finds tumour where the image is 1; what it gave, and the shapes that it saw."""
    image = IMAGE.clone()
    for place in found:
        image[(0, *place)] = 1.0
    seen: list[torch.Size] = []

    def predict(part: torch.Tensor) -> torch.Tensor:
        seen.append(part.shape)
        return torch.cat((1 - part, part))

    return logits_within(BOX, image, predict), seen


def test_outside_is_background_and_inside_what_the_network_says() -> None:
    logits, seen = asked([(3, 4, 4), (3, 0, 0)])  # the second is outside, and never seen
    assert (logits[1] > logits[0]).nonzero().tolist() == [[3, 4, 4]]
    assert logits.shape == (2, 6, 8, 8)
    assert seen == [(1, 6, 5, 7)]


def test_a_finding_at_an_end_inside_of_the_image_is_followed_outside() -> None:
    logits, seen = asked([(3, 2, 4), (3, 1, 4)])
    assert (logits[1] > logits[0]).nonzero().tolist() == [[3, 1, 4], [3, 2, 4]]
    assert seen == [(1, 6, 5, 7), (1, 6, 8, 8)]


def test_the_end_of_the_image_is_no_end_to_look_behind() -> None:
    _, seen = asked([(0, 4, 4), (5, 4, 7)])
    assert seen == [(1, 6, 5, 7)]


def test_without_a_part_all_is_asked() -> None:
    assert logits_within(None, IMAGE, lambda part: part).equal(IMAGE)
