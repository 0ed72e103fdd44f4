"""Tests of nnunet_amt.run_record."""
