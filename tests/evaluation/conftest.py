"""Shared by the tests of the evaluation."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing where the command line is run and figures are not the subject: they take most of its time."""
    monkeypatch.setattr(import_module("nnunet_amt.evaluation.evaluate"), "write_figures", lambda *_, **__: None)
