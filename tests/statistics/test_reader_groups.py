"""A model against readers of the same cases, on published ratings; groups of readers stand in test_readers.py."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.reader_covariances import auc_covariances
from nnunet_amt.statistics.reader_groups import compare_with_model
from nnunet_amt.statistics.reader_table import Readings
from nnunet_amt.statistics.roc import delong_test
from tests.statistics.van_dyke import HIGH, RATINGS

CASES = tuple(map(str, range(114)))
VAN_DYKE = Readings(("1", "2"), ("1", "2", "3", "4", "5"), CASES, RATINGS, HIGH)
MODEL = RATINGS[1].mean(axis=0)  # of the cases of Van Dyke: the mean rating of readers is a model as good as any


def test_a_model_against_one_reader_is_delongs_test() -> None:
    """One reader tells nothing of others: the model's AUC less his, by the paired test."""
    found = compare_with_model(VAN_DYKE, ("1", ["3"]), ("model", MODEL))
    alone = delong_test(RATINGS[0, 2], MODEL, HIGH)
    assert found.random_readers is None
    assert found.fixed_readers.difference == pytest.approx(alone.difference)
    assert found.fixed_readers.p == pytest.approx(alone.p)
    assert found.fixed_readers.interval == pytest.approx(alone.interval)


def test_a_model_against_readers_who_are_one() -> None:
    """Five times the same reader: the model is compared with him, random or fixed."""
    alone = delong_test(RATINGS[0, 0], MODEL, HIGH)
    same = Readings(("1", "2"), VAN_DYKE.readers, CASES, np.repeat(RATINGS[:, :1], 5, axis=1), HIGH)
    found = compare_with_model(same, ("1", same.readers), ("model", MODEL))
    for compared in (found.random_readers, found.fixed_readers):
        assert compared is not None
        assert compared.p == pytest.approx(alone.p)
        assert compared.interval == pytest.approx(alone.interval)


def test_a_model_does_not_vary_as_readers_do() -> None:
    """Variance: that of the readers' AUCs over their number, their covariance, the model's, less twice that between."""
    aucs, covariances = auc_covariances(np.concatenate([RATINGS[0], MODEL[None]])[None], HIGH)
    of_readers = covariances[0, :5, 0, :5]
    spread = aucs[0, :5].var(ddof=1) / 5
    rest = of_readers[~np.eye(5, dtype=bool)].mean() + covariances[0, 5, 0, 5] - 2 * covariances[0, :5, 0, 5].mean()
    found = compare_with_model(VAN_DYKE, ("1", VAN_DYKE.readers), ("model", MODEL)).random_readers
    assert found is not None and found.f is not None
    assert found.difference == pytest.approx(aucs[0, 5] - aucs[0, :5].mean())
    assert found.difference**2 / found.f == pytest.approx(spread + rest)
    assert found.ddf == pytest.approx((spread + rest) ** 2 / (spread**2 / 4))


def test_a_model_needs_a_score_for_each_case() -> None:
    with pytest.raises(BadInputError, match="113 scores of the model are given for 114 cases"):
        compare_with_model(VAN_DYKE, ("1", ["3"]), ("model", MODEL[1:]))
