"""The file of peers says who may send; what it says wrongly is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.peers import Limits, read_peers
from nnunet_amt.errors import BadInputError

TWO = """
[[peer]]
ae_title = "PACS"
addresses = ["10.0.0.5", "10.0.1.0/24", "fd00::/8"]
ask = "PACS@10.0.0.5:104"
[[peer]]
ae_title = "CT 2"
addresses = ["192.168.0.7"]
[limits]
associations = 3
object_mb = 2
"""


def test_titles_and_addresses_go_together(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(TWO)
    peers = read_peers(tmp_path / "peers.toml")
    assert peers.limits == Limits(3, 2 * 1024**2)
    found = peers.find("PACS", "10.0.1.77")
    assert found is not None and found.ask is not None and found.ask.port == 104
    assert peers.find("PACS", "fd00::5") is peers.find("PACS", "::ffff:10.0.0.5") is found
    for title, address in (("PACS", "10.0.2.1"), ("CT 2", "10.0.0.5"), ("OTHER", "10.0.0.5"), ("PACS", "nonsense")):
        assert peers.find(title, address) is None
    assert [peers.is_known_address(one) for one in ("192.168.0.7", "192.168.0.8")] == [True, False]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names nobody who may send"),
        ("[[peer", "is not TOML"),
        ('[[peer]]\nae_title = "PACS"', "lacks ae_title or addresses"),
        ('[[peer]]\nae_title = "PACS"\naddresses = ["10.0.0"]', "give IP addresses"),
        ('[[peer]]\nae_title = "SEVENTEEN_LETTERS"\naddresses = ["::1"]', "[[peer]] 1: 'SEVENTEEN_LETTERS': is"),
        ('[[peer]]\nae_title = "PACS"\naddress = ["::1"]', "has 'address'; it may have addresses, ae_title, ask"),
        ('[[peer]]\nae_title = "P"\naddresses = ["::1"]\nask = "P"', "[[peer]] 1: 'P': is no address of a PACS"),
        ('[limits]\nassociations = 0\n[[peer]]\nae_title = "P"\naddresses = ["::1"]', "associations = 0"),
        (2 * '[[peer]]\nae_title = "P"\naddresses = ["::1"]\n', "P is there twice"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "peers.toml").write_text(text)
    with pytest.raises(BadInputError, match=told.replace("[", r"\[")):
        read_peers(tmp_path / "peers.toml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        read_peers(tmp_path / "peers.toml")
