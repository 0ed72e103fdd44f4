"""IBSI-1, configuration C, on its CT phantom: where the features agree, and each deviation with its reason."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.risk.radiomics.extract import tumour_features
from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings
from tests.real_data import IBSI_PHANTOM, real_data
from tests.risk.radiomics.ibsi_references import REFERENCES

pytest.importorskip("radiomics", reason="pyradiomics is not installed")
pytestmark = pytest.mark.real

SPACING_MM, BIN_WIDTH_HU, LOWEST_HU, HIGHEST_HU = 2.0, 25.0, -1000, 400

# Pyradiomics' kurtosis is 3 for a normal distribution, IBSI's is 0.
KURTOSIS = "original_firstorder_Kurtosis"
# IBSI counts grey levels from the lowest of the range, here -1000 HU, pyradiomics from that of the tumour, -939 HU: two
# less, which matters to the features that hold the number of a level itself.
COUNTED_FROM_THE_TUMOUR = {
    *(f"original_glcm_{name}" for name in ("Autocorrelation", "JointAverage")),
    *(name for name in REFERENCES if "LowGrayLevel" in name or "HighGrayLevel" in name),
    "original_ngtdm_Busyness",
}


def resampled(image: sitk.Image) -> NDArray[np.float64]:
    """Resample to 2 mm linearly, the centres of both grids in one place, as IBSI has it, (z, y, x)."""
    size = [int(np.ceil(n * mm / SPACING_MM)) for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    centre = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    resample = sitk.ResampleImageFilter()
    resample.SetSize(size)
    resample.SetOutputSpacing([SPACING_MM] * 3)
    resample.SetOutputOrigin([at - (n - 1) / 2 * SPACING_MM for at, n in zip(centre, size, strict=True)])
    resample.SetInterpolator(sitk.sitkLinear)
    resample.UseNearestNeighborExtrapolatorOn()
    return sitk.GetArrayFromImage(resample.Execute(sitk.Cast(image, sitk.sitkFloat64)))


def on_2_mm(array: NDArray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([SPACING_MM] * 3)
    return image


@pytest.fixture(scope="module")
def phantom() -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Whole HU, the mask, and that of voxels from -1000 to 400 HU, by which all but the shape is computed."""
    folder = real_data(IBSI_PHANTOM) / "nifti"
    ct = np.rint(resampled(sitk.ReadImage(str(folder / "image" / "phantom.nii.gz"))))
    mask = resampled(sitk.ReadImage(str(folder / "mask" / "mask.nii.gz"))) >= 0.5
    return ct, mask, mask & (ct >= LOWEST_HU) & (ct <= HIGHEST_HU)


def computed(ct: NDArray, mask: NDArray[np.bool_], within: NDArray[np.bool_]) -> dict[str, float]:
    settings = FeatureSettings(spacing_mm=SPACING_MM, bin_width=BIN_WIDTH_HU, window=None, image_types=("Original",))
    whole = tumour_features(on_2_mm(ct), on_2_mm(mask.astype(np.uint8)), settings=settings)
    inside = tumour_features(on_2_mm(ct), on_2_mm(within.astype(np.uint8)), settings=settings)
    return {name: (whole if "_shape_" in name else inside)[name] for name in REFERENCES}


def deviating(found: dict[str, float]) -> set[str]:
    return {name for name, (reference, tolerance) in REFERENCES.items() if abs(found[name] - reference) > tolerance}


def test_each_deviation_is_known(phantom: tuple[NDArray, NDArray, NDArray]) -> None:
    found = computed(*phantom)
    assert len(REFERENCES) == 101
    assert len(COUNTED_FROM_THE_TUMOUR) == 21
    assert deviating(found) == {KURTOSIS, *COUNTED_FROM_THE_TUMOUR}
    assert found[KURTOSIS] - 3 == pytest.approx(REFERENCES[KURTOSIS][0], abs=REFERENCES[KURTOSIS][1])


def test_with_the_grey_levels_of_ibsi_only_kurtosis_differs(
    phantom: tuple[NDArray, NDArray, NDArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnunet_amt.risk.radiomics import fast_extractor, fast_texture

    class FromTheRange(fast_texture.GreyLevels):
        @classmethod
        def of(cls, image: sitk.Image, mask: NDArray[np.bool_], bin_width: float) -> fast_texture.GreyLevels:
            levels = np.floor((sitk.GetArrayViewFromImage(image) - LOWEST_HU) / bin_width).astype(int) + 1
            return cls(np.where(mask, levels, 0), np.unique(levels[mask]))

    monkeypatch.setattr(fast_extractor, "GreyLevels", FromTheRange)
    found = computed(*phantom)
    assert deviating(found) == {KURTOSIS}
