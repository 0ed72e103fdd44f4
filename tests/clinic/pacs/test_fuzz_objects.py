"""CTs damaged in every way, given to what takes objects and to what looks at a series: refused or read, never worse.

``make fuzz`` does it for a minute, the usual tests for two seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnunet_amt.clinic.pacs.incoming_object import ObjectRefusedError, read_object
from nnunet_amt.clinic.pacs.ledger import SeriesToLookAt
from nnunet_amt.clinic.pacs.readiness import why_not_whole
from nnunet_amt.clinic.source_series import NoCtError
from nnunet_amt.images.image_file import ReadingOptions
from tests.clinic.pacs.stand_ins import write_study

SECONDS = float(os.environ.get("FUZZ_SECONDS", "2"))
_META_ENDS = 144  # preamble, mark, and the element that tells how long the rest of the meta header is
Damage = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 2000), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("cut"), st.integers(0, 2000), st.just(b"")),
    st.tuples(st.just("insert"), st.integers(0, 2000), st.binary(min_size=1, max_size=40)),
)


def damaged(content: bytes, damage: list[tuple[str, int, bytes]]) -> bytes:
    """Do one thing after the other to an object."""
    for how, place, value in damage:
        at = place % (len(content) + 1)
        if how == "cut":
            content = content[:at]
        else:
            content = content[:at] + value + content[at + (len(value) if how == "set" else 0) :]
    return content


def test_damaged_objects_are_refused_or_read(tmp_path: Path) -> None:
    """Whatever passes the door may be looked at as part of a series without any other error than ours."""
    file, *others = write_study(tmp_path, "one")
    whole = file.read_bytes()
    header = int.from_bytes(whole[140:_META_ENDS], "little") + _META_ENDS
    announced = pydicom.dcmread(file)
    end, counts = time.monotonic() + SECONDS, {"read": 0, "refused": 0}
    series = SeriesToLookAt("1", "1", "one", "PACS", 0, len(others) + 1, ())

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(Damage, min_size=1, max_size=4))
    def one_round(damage: list[tuple[str, int, bytes]]) -> None:
        content = damaged(whole[header:], damage)
        try:
            read_object(
                content, syntax="1.2.840.10008.1.2.1", sop_class=str(announced.SOPClassUID),
                sop_uid=str(announced.SOPInstanceUID),
            )  # fmt: skip
        except ObjectRefusedError:
            counts["refused"] += 1
            return
        counts["read"] += 1
        file.write_bytes(whole[:header] + content)
        try:
            why_not_whole(file.parent, series, reading=ReadingOptions())
        except NoCtError:
            return

    while time.monotonic() < end:
        one_round()
    assert min(counts.values()) > 0
