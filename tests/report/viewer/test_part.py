"""The viewer's part of the page: what it holds, how large it is, and that nothing breaks out of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

import nnunet_amt.report.viewer.part as part_module
from nnunet_amt.errors import BadInputError
from nnunet_amt.report.page_parts import Picture
from nnunet_amt.report.viewer import FalsePositive, LoadedCase, ViewerCase, ViewerPart, viewer_part
from nnunet_amt.report.viewer.part import NIIVUE_SHA256, NIIVUE_VERSION, niivue_script
from tests.report.viewer.crops import noisy_crop

NASTY = '<b onclick="x">&"</script><!--'


def case(number: int, findings: int = 0, words: str = "Dice 0.50, 3.1 cm") -> ViewerCase:
    found = tuple(FalsePositive(i + 1, 40 + i, 1.2, 9.0, False, (0.4, 0.5, 0.3)) for i in range(findings))
    crop = noisy_crop(seed=number, case_id=f"AMT-{number:04d}")
    return ViewerCase(crop.case_id, words, lambda: LoadedCase(crop, found))


@pytest.fixture(autouse=True)
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """NiiVue is not in every checkout, and 2 MB of it are of no use here."""
    monkeypatch.setattr(part_module, "niivue_script", lambda: None)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes a tenth of a second to draw."""
    picture = Picture("data:image/png;base64,AAAA", 2, 1)
    monkeypatch.setattr(part_module, "encode_strip", lambda crop, *, budget, at=None: picture)


def listed(part: ViewerPart) -> dict[str, object]:
    content: dict[str, object] = json.loads(next(block.text for block in part.data if block.id == "amt-viewer-cases"))
    return content


def test_all_cases_together_stay_within_the_budget() -> None:
    budget = 60_000
    part = viewer_part([case(number, findings=number) for number in (0, 1, 1, 2)], budget=budget)
    in_cases = sum(len(block.text) for block in part.data) + len(part.html)
    assert in_cases <= budget + len(viewer_part([case(0)], budget=8_000).html)  # the controls are there once
    assert len(part.data) == 2 * 4 + 1


def test_too_many_cases_for_a_budget_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cases have 2800 characters each; the least is 4000"):
        viewer_part([case(0), case(1)], budget=8_000)


@pytest.mark.usefixtures("no_pictures")
def test_the_list_names_cases_and_findings_and_the_blocks_are_there() -> None:
    cases = [case(1), case(2, findings=2)]
    content = listed(part := viewer_part(cases, budget=100_000, jobs=2))
    assert [item["id"] for item in content["cases"]] == ["AMT-0001", "AMT-0002"]  # type: ignore[attr-defined]
    blocks = {block.id for block in part.data}
    assert all({item["image"], item["labels"]} <= blocks for item in content["cases"])  # type: ignore[attr-defined]
    assert [(one["case"], one["lesion"], one["voxels"]) for one in content["candidates"]] == [  # type: ignore[attr-defined]
        (1, 1, 40),
        (1, 2, 41),
    ]
    assert part.html.count("<tr data-candidate=") == 2
    assert part.html.count('<figure class="amt-strip"') == 2 + 2  # a picture a case, and one a finding


@pytest.mark.usefixtures("no_pictures")
def test_kept_decisions_belong_to_these_findings_alone() -> None:
    key = listed(viewer_part([case(1, findings=1)], budget=50_000))["key"]
    assert key == listed(viewer_part([case(1, findings=1)], budget=90_000))["key"]
    assert key != listed(viewer_part([case(1, findings=2)], budget=50_000))["key"]


@pytest.mark.usefixtures("no_pictures")
def test_names_cannot_break_out() -> None:
    nasty = ViewerCase(NASTY, NASTY, case(1, findings=1).load)
    part = viewer_part([nasty], budget=50_000)
    assert "<b " not in part.html
    assert 'onclick="' not in part.html
    assert "&lt;b onclick=&#34;x&#34;&gt;" in part.html
    assert all("<" not in block.text for block in part.data)
    assert listed(part)["cases"][0]["id"] == NASTY  # type: ignore[index]
    assert not any("</script" in script or "<!--" in script for script in part.scripts)


@pytest.mark.usefixtures("no_pictures")
def test_nothing_needs_what_a_strict_policy_forbids() -> None:
    part = viewer_part([case(1, findings=1)], budget=50_000)
    assert not re.search(r"\s(style|on\w+)=", part.html)
    assert not re.search(r"\b(src|href)=\"(?!data:image/png)", part.html)
    assert part.csp == {"img-src": ("data:",)}
    for script in part.scripts:
        assert not re.search(r"\beval\(|new Function|fetch\(|XMLHttpRequest|import\(|innerHTML", script)
    assert "url(" not in part.styles


@pytest.mark.usefixtures("no_pictures")
def test_there_is_nothing_to_triage_without_findings() -> None:
    html = viewer_part([case(1)], budget=50_000).html
    assert "there is nothing to triage" in html
    assert "data-triage" not in html


@pytest.mark.usefixtures("no_pictures")
def test_the_page_says_what_it_lacks() -> None:
    black = noisy_crop()
    without = ViewerCase("AMT-0009", "", lambda: LoadedCase(replace(black, image=None), ()))
    fine = viewer_part([case(1)], budget=100_000).html
    assert "was not found" not in fine
    assert "coarser" not in fine
    assert "The CT of 1 case was not found: it shows the masks on black." in viewer_part([without], budget=50_000).html
    assert "In 1 of 1 case the CT here is coarser" in viewer_part([case(1)], budget=15_000).html
    assert "In 2 of 2 cases the CT here is coarser" in viewer_part([case(1), case(2)], budget=30_000).html


def test_a_single_case_without_room_for_pictures_still_has_its_voxels() -> None:
    part = viewer_part([case(1, findings=3)], budget=10_000)
    assert "(no room for a picture)" in part.html
    assert len(part.data) == 3


@pytest.mark.usefixtures("no_pictures")
def test_the_library_comes_first_under_its_licence_and_only_the_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "niivue.umd.js"
    assert niivue_script(path) is None
    path.write_text("alert(1)")
    with pytest.raises(BadInputError, match=r"is not NiiVue 0\.69\.0, or damaged; remove it and run make viewer"):
        niivue_script(path)
    monkeypatch.setattr(part_module, "NIIVUE_SHA256", sha256(b"alert(1)").hexdigest())
    script = niivue_script(path)
    assert script is not None
    assert re.match(r"/\*! NiiVue 0\.69\.0\n\nBSD 2-Clause License.*\*/\nalert\(1\)$", script, re.DOTALL)
    monkeypatch.setattr(part_module, "niivue_script", lambda: "/*! NiiVue */ 1 < 2 </script")
    assert viewer_part([case(1)], budget=50_000).scripts[0] == "/*! NiiVue */ 1 < 2 <\\/script"


def test_makefile_and_code_want_the_same_library() -> None:
    makefile = Path(__file__).parents[3] / "Makefile"
    assert f"NIIVUE_VERSION := {NIIVUE_VERSION}\nNIIVUE_SHA256 := {NIIVUE_SHA256}\n" in makefile.read_text()
