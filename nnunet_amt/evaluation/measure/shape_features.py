"""Shape features of a reference mask."""

from __future__ import annotations

from math import sqrt

import numpy as np
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.diameter import largest_diameters
from nnunet_amt.evaluation.measure.features import FeatureValues
from nnunet_amt.images.foreground import Foreground, MaskBox, Spacing, joined

_MM3_PER_CM3 = 1000.0
_MM2_PER_CM2 = 100.0


def shape_features(reference: Foreground) -> FeatureValues:
    """Measure the shape of a mask that is not empty, all of its lesions together as one.

    Volume, surface and principal moments are those of ITK's label shape statistics. Volume is that of the voxels.
    The surface is ITK's Crofton estimate, right for rounded shapes also on thick slices and too small for boxes
    along the axes; sphericity is the surface of a ball of the same volume over it, and may exceed 1 a little.
    Elongation and flatness are the square roots of the second and third over the
    largest principal moment, 1 for a ball and smaller for a longer or flatter shape, None for a single voxel. (ITK's
    own elongation and flatness are other ratios, above 1.) Diameters run between points of the outline.

    Returns
    -------
    dict
        The values of `SHAPE_FEATURES`.
    """
    whole = joined(reference.boxes)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(_image(whole, reference.spacing))
    third, second, largest = (max(0.0, moment) for moment in statistics.GetPrincipalMoments(1))
    diameters = largest_diameters(whole.mask, reference.spacing)
    return {
        "volume_cm3": statistics.GetPhysicalSize(1) / _MM3_PER_CM3,
        "maximum_3d_diameter_mm": diameters.maximum,
        "axial_diameter_mm": diameters.axial,
        "surface_area_cm2": statistics.GetPerimeter(1) / _MM2_PER_CM2,
        "sphericity": statistics.GetRoundness(1),
        "elongation": sqrt(second / largest) if largest else None,
        "flatness": sqrt(third / largest) if largest else None,
    }


def _image(piece: MaskBox, spacing: Spacing) -> sitk.Image:
    image = sitk.GetImageFromArray(piece.mask.astype(np.uint8))
    image.SetSpacing(spacing)
    return image
