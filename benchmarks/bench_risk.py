"""Time the 1743 radiomics features of a tumour against plain pyradiomics, tumour by tumour in one run, on one core.

    python -m benchmarks.bench_risk                     # tumours of 14 and 150 ml, three of each
    python -m benchmarks.bench_risk --tumours 1 --profile

The CTs are made up: 512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm of noise with a lobed tumour in the middle. Both get
the image in memory, windowed alike. They must agree to a millionth, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import numpy as np
import SimpleITK as sitk
from threadpoolctl import threadpool_limits

from nnunet_amt.risk.radiomics.extract import plain_features, tumour_features
from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings

SHAPE = (60, 512, 512)  # (z, y, x)
SPACING = (0.7, 0.7, 5.0)  # mm, (x, y, z)
VOLUMES_ML = (14, 150)
AT_LEAST_FASTER, AT_MOST_APART = 2.0, 1e-6


def main() -> None:
    arguments = _arguments()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    settings = FeatureSettings()
    tumour_features(*made_up_tumour(1, seed=99), settings=settings)  # imports, and tables that are made once
    with threadpool_limits(1):
        for volume in VOLUMES_ML:
            _compare(volume, arguments.tumours, settings)
        if arguments.profile:
            _profile(settings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tumours", type=int, default=3, help="number of each size (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="say where the time goes in both")
    return parser.parse_args()


def made_up_tumour(volume_ml: float, seed: int) -> tuple[sitk.Image, sitk.Image]:
    """Make a CT in HU and the mask of a tumour of about this volume."""
    random = np.random.default_rng(seed)
    places = [(np.arange(length) - length / 2) * spacing for length, spacing in zip(SHAPE, SPACING[::-1], strict=True)]
    z, y, x = np.meshgrid(*places, indexing="ij", sparse=True)
    angle = np.arctan2(y, x)
    radius = (volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3) * (1 + 0.12 * np.cos(3 * angle + random.uniform(0, 6)))
    mask = x**2 + y**2 + z**2 <= radius**2
    ct = random.normal(0, 25, SHAPE) + np.where(mask, 60, -80)
    images = [sitk.GetImageFromArray(array) for array in (np.rint(ct).astype(np.int16), mask.astype(np.uint8))]
    for image in images:
        image.SetSpacing(SPACING)
    return images[0], images[1]


def _compare(volume: float, tumours: int, settings: FeatureSettings) -> None:
    plain, ours, clock, apart = [], [], [], 0.0
    for seed in range(tumours):
        tumour = made_up_tumour(volume, seed)
        theirs, seconds, _ = _timed(plain_features, tumour, settings)
        found, seconds_of_ours, wall = _timed(tumour_features, tumour, settings)
        plain.append(seconds)
        ours.append(seconds_of_ours)
        clock.append(wall)
        apart = max(apart, *(abs(found[name] - value) / max(abs(value), 1e-6) for name, value in theirs.items()))
    ratio = median(one / other for one, other in zip(plain, ours, strict=True))
    print(
        f"{len(found)} features of {volume} ml, median of {tumours}: pyradiomics {median(plain):.2f} s, ours "
        f"{median(ours):.2f} s of CPU ({median(clock):.2f} s by the clock), {ratio:.2f} times as fast (at least "
        f"{AT_LEAST_FASTER:g}: {'met' if ratio >= AT_LEAST_FASTER else 'MISSED'}); apart by up to {apart:.0e}"
    )
    if apart > AT_MOST_APART:
        sys.exit(f"the features differ by up to {apart}")


def _timed(
    compute: Callable[..., dict[str, float]], tumour: tuple[sitk.Image, sitk.Image], settings: FeatureSettings
) -> tuple[dict[str, float], float, float]:
    cpu, wall = process_time(), perf_counter()
    found = compute(*tumour, settings=settings)
    return found, process_time() - cpu, perf_counter() - wall


def _profile(settings: FeatureSettings) -> None:
    tumour = made_up_tumour(VOLUMES_ML[-1], 0)
    for compute in (plain_features, tumour_features):
        print(f"\n{compute.__name__}, {VOLUMES_ML[-1]} ml")
        with cProfile.Profile() as profile:
            compute(*tumour, settings=settings)
        pstats.Stats(profile).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
