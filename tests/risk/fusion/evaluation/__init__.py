"""Tests of the evaluation of lesions."""
