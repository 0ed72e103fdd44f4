"""Who may send to a receiver, and how much: the file ``peers.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_toml
from nnunet_amt.clinic.pacs.address import DicomAddress, ae_title
from nnunet_amt.errors import BadInputError

_PEER_KEYS = {"ae_title", "addresses", "ask"}
_EXAMPLE = '[[peer]] with ae_title = "PACS" and addresses = ["10.0.0.5"]'


@dataclass(frozen=True)
class Limits:
    """What one receiver takes at once.

    Attributes
    ----------
    associations
        Open at one time, of all peers together.
    object_bytes
        Of one object; a CT slice has half a million.
    """

    associations: int = 10
    object_bytes: int = 64 * 1024**2


@dataclass(frozen=True)
class Peer:
    """An application entity that may send: its title, and the networks that it may send from.

    Attributes
    ----------
    ask
        Where it answers C-FIND, to be asked how many images a series has; None for where results go.
    """

    ae_title: str
    addresses: tuple[IPv4Network | IPv6Network, ...]
    ask: DicomAddress | None = None

    def sends_from(self, address: str) -> bool:
        """Whether an IP address is one of its own."""
        return _is_in(address, self.addresses)


@dataclass(frozen=True)
class Peers:
    """All that may send, and the limits."""

    peers: tuple[Peer, ...]
    limits: Limits = field(default_factory=Limits)

    def is_known_address(self, address: str) -> bool:
        """Whether an IP address is any peer's: others are not even listened to."""
        return any(peer.sends_from(address) for peer in self.peers)

    def find(self, title: str, address: str) -> Peer | None:
        """Find who calls itself so and sends from there."""
        return next((peer for peer in self.peers if peer.ae_title == title and peer.sends_from(address)), None)

    def of_title(self, title: str) -> Peer | None:
        """Find a peer by its title alone, as one that sent earlier."""
        return next((peer for peer in self.peers if peer.ae_title == title), None)


def read_peers(path: Path) -> Peers:
    """Read the file.

    Raises
    ------
    BadInputError
        If it is missing, no TOML, or says something that is not understood: nothing of it is passed over.
    """
    try:
        content = read_toml(path)
    except OSError as error:
        raise BadInputError(
            f"--peers {path}: cannot be read ({error.strerror}); write a file with {_EXAMPLE}"
        ) from error
    except ValueError as error:
        raise BadInputError(f"--peers {path}: is not TOML ({error}); it has {_EXAMPLE}") from error
    _require_keys(path, content, {"peer", "limits"}, "the file")
    given = content.get("peer")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise BadInputError(f"--peers {path}: names nobody who may send; write {_EXAMPLE}")
    peers = tuple(_peer(path, one, number) for number, one in enumerate(given, start=1))
    titles = [peer.ae_title for peer in peers]
    if twice := next((title for title in titles if titles.count(title) > 1), None):
        raise BadInputError(f"--peers {path}: {twice} is there twice; give all of its addresses in one [[peer]]")
    return Peers(peers, _limits(path, content.get("limits", {})))


def _peer(path: Path, given: Mapping[str, Any], number: int) -> Peer:
    where = f"[[peer]] {number}"
    _require_keys(path, given, _PEER_KEYS, where)
    title, addresses, ask = given.get("ae_title"), given.get("addresses"), given.get("ask")
    if not isinstance(title, str) or not isinstance(addresses, list) or not addresses:
        raise BadInputError(f"--peers {path}: {where} lacks ae_title or addresses; write {_EXAMPLE}")
    try:
        networks = tuple(ip_network(str(address), strict=False) for address in addresses)
    except ValueError as error:
        raise BadInputError(
            f"--peers {path}: {where} addresses: {error}; give IP addresses or networks such as 10.0.1.0/24"
        ) from error
    try:
        return Peer(ae_title(title), networks, None if ask is None else DicomAddress.parse(str(ask)))
    except BadInputError as error:
        raise BadInputError(f"--peers {path}: {where}: {error}") from error


def _limits(path: Path, given: Any) -> Limits:
    if not isinstance(given, dict):
        raise BadInputError(f"--peers {path}: limits is no table; write [limits] and associations = 10 below it")
    _require_keys(path, given, {"associations", "object_mb"}, "[limits]")
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
            raise BadInputError(f"--peers {path}: [limits] {name} = {value!r}; give a whole number from 1 to 100000")
    usual = Limits()
    object_bytes = given["object_mb"] * 1024**2 if "object_mb" in given else usual.object_bytes
    return Limits(given.get("associations", usual.associations), object_bytes)


def _require_keys(path: Path, given: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(given.keys() - known):
        raise BadInputError(f"--peers {path}: {where} has {unknown[0]!r}; it may have {', '.join(sorted(known))}")


def _is_in(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # of one who reached an IPv6 socket by IPv4
    return any((mapped or found) in network for network in networks)
