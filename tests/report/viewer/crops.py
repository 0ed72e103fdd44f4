"""Small crops for the tests of the viewer."""

from __future__ import annotations

import base64
import gzip

import numpy as np

from nnunet_amt.pictures import CaseCrop


def noisy_crop(shape: tuple[int, int, int] = (12, 40, 44), seed: int = 0, case_id: str = "AMT-0001") -> CaseCrop:
    """Soft tissue and lung with the noise of a CT, and two masks that overlap."""
    rng = np.random.default_rng(seed)
    image = rng.normal(40, 25, shape)
    image[:, :, : shape[2] // 3] -= 880
    reference, prediction = np.zeros(shape, bool), np.zeros(shape, bool)
    reference[2:9, 5:25, 10:30] = True
    prediction[3:9, 5:25, 15:35] = True
    return CaseCrop(case_id, image.astype(np.int16), reference, prediction, (5.0, 0.7, 0.8), (0, 0, 0), shape)


def unpacked(text: str) -> tuple[np.ndarray, tuple[float, ...]]:
    """The voxels (z, y, x) of a packed NIfTI, and its slope and intercept; read by the offsets of the standard."""
    content = gzip.decompress(base64.b64decode(text))
    x, y, z = np.frombuffer(content, "<i2", 3, 42)
    offset, slope, intercept = np.frombuffer(content, "<f4", 3, 108).tolist()
    return np.frombuffer(content, np.uint8, offset=int(offset)).reshape(z, y, x), (slope, intercept)
