"""Which features are computed of a tumour, and how: the paper's 1743 by default."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from nnunet_amt.errors import missing_extra
from nnunet_amt.risk.cut_roi import WINDOW_LEVEL_HU, WINDOW_WIDTH_HU

SHAPE_FEATURES, FIRST_ORDER_FEATURES, TEXTURE_FEATURES = 14, 342, 1387

_TEXTURE_CLASSES = ("glcm", "glrlm", "glszm", "gldm", "ngtdm")
# Without SumAverage, which is twice JointAverage, and MCC: with these two the paper's number of 1387 is not met.
_GLCM_LEFT_OUT = ("SumAverage", "MCC")
_WAVELET_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")


@dataclass(frozen=True)
class FeatureSettings:
    """How features are computed; every value is in the run record and in the hash that a case is cached by.

    Attributes
    ----------
    spacing_mm
        Edge of the voxels that image (by B-splines) and mask (nearest neighbour) are resampled to. A tumour on one
        slice keeps the distance of the slices.
    bin_width
        Of grey levels, in HU, in all images, filtered ones too.
    window
        Width and level in HU to which the CT is clipped before it is resampled; None for no window. The paper gives
        400 and 40 without saying where in the order it is applied.
    log_sigmas_mm
        Of the Laplacian of Gaussian.
    wavelet
        Of the undecimated transform, one level, eight bands.
    image_types
        Names of pyradiomics.
    """

    spacing_mm: float = 1.0
    bin_width: float = 32.0
    window: tuple[float, float] | None = (WINDOW_WIDTH_HU, WINDOW_LEVEL_HU)
    log_sigmas_mm: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0)
    wavelet: str = "coif1"
    image_types: tuple[str, ...] = (
        *("Original", "Wavelet", "LoG", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient"),
    )

    def window_hu(self) -> tuple[float, float] | None:
        """Lowest and highest HU of the window; None without one."""
        if self.window is None:
            return None
        width, level = self.window
        return level - width / 2, level + width / 2

    def parameters(self) -> dict[str, Any]:
        """Give what pyradiomics' extractor takes as its dictionary of parameters."""
        special: dict[str, dict[str, Any]] = {
            "LoG": {"sigma": list(self.log_sigmas_mm)},
            "Wavelet": {"wavelet": self.wavelet},
        }
        return {
            "setting": {
                "binWidth": self.bin_width,
                "resampledPixelSpacing": [self.spacing_mm] * 3,
                "interpolator": "sitkBSpline",
                "label": 1,
                "additionalInfo": False,
            },
            "imageType": {name: special.get(name, {}) for name in self.image_types},
            "featureClass": {name: list(features) for name, features in _features_of_classes().items()},
        }

    def images(self) -> list[str]:
        """Names of the original and the filtered images as they stand in the features' names."""
        names: list[str] = []
        for kind in self.image_types:
            if kind == "Wavelet":
                names += [f"wavelet-{band}" for band in _WAVELET_BANDS]
            elif kind == "LoG":
                names += [f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D" for sigma in self.log_sigmas_mm]
            else:
                names.append(kind.lower())
        return names

    def feature_names(self) -> list[str]:
        """Give the columns of the table of features, such as ``wavelet-LLH_glcm_Contrast``: shape, then by image.

        Raises
        ------
        MissingExtraError
            If pyradiomics is not installed.
        """
        classes = _features_of_classes()
        names = [f"original_shape_{feature}" for feature in classes.pop("shape")]
        return names + [
            f"{image}_{name}_{feature}"
            for image in self.images()
            for name, features in classes.items()
            for feature in features
        ]


def radiomics_module() -> ModuleType:
    """Import pyradiomics and silence it, or say with a MissingExtraError which extra brings it."""
    try:
        import radiomics
    except ImportError as error:
        raise missing_extra("radiomics", "risk") from error
    # What it logs of a case that it cannot take is a traceback on standard error; we say it in a line.
    radiomics.logger.setLevel("CRITICAL")
    module: ModuleType = radiomics
    return module


def _features_of_classes() -> dict[str, tuple[str, ...]]:
    """Names of the features of each class, shape first, in pyradiomics' order; deprecated ones are left out."""
    classes = radiomics_module().getFeatureClasses()
    return {
        name: tuple(
            feature
            for feature, is_deprecated in classes[name].getFeatureNames().items()
            if not is_deprecated and not (name == "glcm" and feature in _GLCM_LEFT_OUT)
        )
        for name in ("shape", "firstorder", *_TEXTURE_CLASSES)
    }
