"""Where a tumour grows: behind the sternum, among the airways, or beside the spine."""

from __future__ import annotations

import numpy as np

from nnunet_amt.cohort.lesion_findings import Location
from nnunet_amt.phantom.shapes import Point
from nnunet_amt.phantom.thorax import spine_y, sternum_y


def place_tumour(radii: Point, location: Location, rng: np.random.Generator, *, first: bool = True) -> Point:
    """Choose a centre (x, y, z) in mm for a tumour of these (x, y, z) radii; `first` of the patient's, or a later one.

    An anterior one lies in the prevascular space, a middle one beside the trachea, under the carina or at the left
    hilum, a posterior one in the gutter beside the spine.
    """
    if location == "middle":
        return _among_airways(radii, rng)
    if location == "posterior":
        return _beside_spine(radii, rng)
    return _behind_sternum(radii, rng, first)


def _behind_sternum(radii: Point, rng: np.random.Generator, first: bool) -> Point:
    """Further to the side and lower the larger the tumour is."""
    across, deep, tall = radii
    side = rng.choice([-1.0, 1.0])
    z = rng.uniform(-30.0, 22.0) - 0.35 * max(tall - 15.0, 0.0) if first else rng.uniform(-85.0, 35.0)
    x = side * (3.0 + across * rng.uniform(0.25, 0.85))
    front = float(sternum_y(np.array(z))) + 8.0 + 0.08 * abs(x)
    y = front + deep * rng.uniform(0.95, 1.1) + rng.uniform(0.0, 3.0)
    return float(x), float(y), float(z)


def _among_airways(radii: Point, rng: np.random.Generator) -> Point:
    across, deep, tall = radii
    station = rng.choice(["paratracheal", "subcarinal", "left hilum"])
    if station == "paratracheal":
        x, y, z = -13.0 - 0.75 * across, -9.0, rng.uniform(14.0, 46.0)
    elif station == "subcarinal":
        x, y, z = -4.0 - 0.4 * across, 14.0 + 0.3 * deep, -26.0 - 0.8 * tall
    else:
        x, y, z = 34.0 + 0.6 * across, 2.0, rng.uniform(-22.0, 8.0)
    return float(x), float(y + rng.uniform(-4.0, 4.0)), float(z)


def _beside_spine(radii: Point, rng: np.random.Generator) -> Point:
    across, deep, _ = radii
    side = -1.0 if rng.random() < 0.6 else 1.0  # the aorta lies on the left
    z = float(rng.uniform(-90.0, 55.0))
    x = side * (13.0 + across * rng.uniform(0.55, 0.9))
    y = float(spine_y(np.array(z))) + rng.uniform(2.0, 10.0) - 0.35 * max(deep - 15.0, 0.0)
    return float(x), float(y), z
