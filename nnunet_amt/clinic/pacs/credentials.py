"""Who we are to a DICOMweb archive: from a file that only its owner reads, or the environment; never from a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.errors import BadInputError

USER, PASSWORD, TOKEN = (f"NNUNET_AMT_DICOMWEB_{name}" for name in ("USER", "PASSWORD", "TOKEN"))
_BEARER = "bearer "
_FORM = "it must hold one line, user:password or Bearer TOKEN"


@dataclass(frozen=True)
class Credentials:
    """A user and password, or a bearer token; their text form shows neither.

    Attributes
    ----------
    user, password
        Of HTTP's basic authentication; empty where there is a token.
    token
        Of a bearer; empty where there is a user.
    """

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def find_credentials(file: Path | None, environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Read credentials from a file or, without one, from the environment; None if neither has any.

    Parameters
    ----------
    file
        One line, ``user:password`` or ``Bearer TOKEN``; nobody but its owner may read it.
    environment
        With the variables `TOKEN`, or `USER` and `PASSWORD`; this process's by default.

    Raises
    ------
    BadInputError
        If the file is missing, open to others, or holds something else; if only half of them is in the environment.
    """
    if file is not None:
        return _from_file(file)
    known = os.environ if environment is None else environment
    user, password, token = (known.get(name, "") for name in (USER, PASSWORD, TOKEN))
    if token and (user or password):
        raise BadInputError(f"{TOKEN}, {USER}: both are set; keep one")
    if bool(user) != bool(password):
        raise BadInputError(f"{USER}, {PASSWORD}: only one of them is set; set both")
    if not (user or token):
        return None
    if ":" in user:
        raise BadInputError(f"{USER}: has a colon, which no user of HTTP's basic authentication has")
    return _plain(Credentials(user, password, token), "the environment")


def _from_file(file: Path) -> Credentials:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        raise BadInputError(f"--credentials {file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise BadInputError(f"--credentials {file}: is no UTF-8 text; {_FORM}") from None
    if os.name == "posix" and mode & 0o077:
        raise BadInputError(f"--credentials {file}: others on this machine may read it; run: chmod 600 {file}")
    if text.lower().startswith(_BEARER) and (token := text[len(_BEARER) :].strip()):
        return _plain(Credentials(token=token), str(file))
    user, colon, password = text.partition(":")
    if not (user and colon and password) or "\n" in text:
        raise BadInputError(f"--credentials {file}: {_FORM}")
    return _plain(Credentials(user, password), str(file))


def _plain(found: Credentials, where: str) -> Credentials:
    """Refuse what would end a line of the request and begin another."""
    if any(not letter.isprintable() for text in (found.user, found.password, found.token) for letter in text):
        raise BadInputError(f"{where}: a user, password or token has signs that cannot be printed")
    return found
