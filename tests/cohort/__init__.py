"""Tests of nnunet_amt.cohort."""
