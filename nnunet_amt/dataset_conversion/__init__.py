"""From CT and masks of many formats to nnU-Net's raw format."""

from nnunet_amt.dataset_conversion.manifest2nnunet import ConversionSettings, ConversionSummary, convert
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.images.image_file import FLOOR_HU, ReadingOptions

__all__ = ["FLOOR_HU", "ConversionSettings", "ConversionSummary", "RawDataset", "ReadingOptions", "convert"]
