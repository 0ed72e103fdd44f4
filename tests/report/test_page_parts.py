"""The small parts of the page: the policy, pictures."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import pytest

from nnunet_amt.errors import ImageReadError
from nnunet_amt.report.page_parts import content_policy, read_picture, source_hash, split_at_groups
from nnunet_amt.writing.table import Row, Table


def test_the_policy_holds_the_hashes_of_its_blocks() -> None:
    digest = b64encode(hashlib.sha256(b"a{}").digest()).decode()
    assert source_hash("a{}") == f"'sha256-{digest}'"
    policy = content_policy(scripts=[], styles=["a{}"], extra={"img-src": ["blob:"], "worker-src": ["blob:"]})
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src 'none'" in policy
    assert "img-src data: blob:" in policy
    assert policy.endswith("worker-src blob:")


def test_only_a_png_is_a_picture(tmp_path: Path) -> None:
    assert read_picture(tmp_path / "none.png", alt="nothing") is None
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageReadError, match=r"text\.png: is not a PNG"):
        read_picture(tmp_path / "text.png", alt="nothing")


def test_a_table_is_split_before_its_first_group() -> None:
    """What is of all cases stays with the notes, the subgroups follow; a table without groups stays whole."""
    rows = (Row("Overall", ("1",)), Row("published", ("2",), "published"), Row("Sex", kind="group"), Row("F", ("3",)))
    table = Table("Voxels", "Subgroup", ("Dice",), rows, ("A note.",))
    first, groups = split_at_groups(table)
    assert groups is not None
    assert (first.rows, first.notes, first.title) == (rows[:2], ("A note.",), "Voxels")
    assert (groups.rows, groups.notes, groups.title) == (rows[2:], (), "Voxels, by subgroup")
    assert split_at_groups(first) == (first, None)
