"""Each sentence in each language, with the same gaps; the reader's language by address, choice, browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.app.language import LANGUAGES, texts

if TYPE_CHECKING:
    from starlette.testclient import TestClient

_APP = Path(__file__).parents[2] / "nnunet_amt" / "app"
_GAPS = re.compile(r"\{(\w+)\}")


def test_the_languages_have_the_same_keys_and_gaps() -> None:
    english = texts("en").sentences
    for language in LANGUAGES:
        sentences = texts(language).sentences
        assert sentences.keys() == english.keys()
        for key, sentence in sentences.items():
            assert sentence.strip() == sentence != "", key
            assert sorted(set(_GAPS.findall(sentence))) == sorted(set(_GAPS.findall(english[key]))), key


def test_the_templates_name_keys_that_there_are() -> None:
    english = texts("en")
    for template in (_APP / "templates").glob("*.j2"):
        for key in re.findall(r"\bt\(\s*['\"]([\w.]+)['\"]\s*[,)]", template.read_text(encoding="utf-8")):
            assert key in english, f"{template.name}: {key}"


def test_numbers_and_dates_are_the_language_s() -> None:
    assert texts("en").number(1234.56, 1) == "1,234.6"
    assert texts("en").date("2026-11-29T05:06:07") == "29 Nov 2026, 05:06"
    assert texts("ja").date("2026-11-29T05:06:07") == "2026年11月29日 05:06"


def test_the_browser_s_language_is_taken_until_one_is_chosen(client: TestClient) -> None:
    assert '<html lang="ja">' in client.get("/", headers={"accept-language": "fr, ja-JP;q=0.8, en;q=0.5"}).text
    assert '<html lang="en">' in client.get("/", headers={"accept-language": "fr;q=x,"}).text
    assert '<html lang="ja">' in client.get("/?lang=ja").text
    assert '<html lang="ja">' in client.get("/").text  # a cookie
    assert '<html lang="ja">' in client.get("/?lang=xx").text
