"""Tests of nnunet_amt.dataset_conversion."""
