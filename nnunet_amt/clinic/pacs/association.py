"""An association with an archive, and in one line why there is none."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.errors import WorkFailedError, missing_extra

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

MOST_CONTEXTS = 128  # PS3.8: their numbers are odd, and one byte
_CONNECTION_SECONDS = 15.0
_NEGOTIATION_SECONDS = 30.0
_ANSWER_SECONDS = 120.0
_REJECTED_FOR_GOOD = 1


class NoAssociationError(WorkFailedError):
    """No association was had; `is_final` if trying again would not help."""

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


class NoContextError(NoAssociationError):
    """The other side takes nothing of what was proposed."""


def pynetdicom_module() -> ModuleType:
    """Import pynetdicom, or say with a MissingExtraError which extra brings it.

    It writes UIDs and patients' names to its logs and quotes them in its errors: it is silenced, and what matters is
    an error of ours. Files are sent as they are, not decoded and encoded anew.
    """
    try:
        import pynetdicom
        from pynetdicom import _config
    except ImportError as error:
        raise missing_extra("sending and fetching", "pacs") from error
    if (theirs := logging.getLogger("pynetdicom")).level == logging.NOTSET:  # else somebody wants to hear it
        theirs.setLevel(logging.CRITICAL + 1)
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_SEND_CHUNKED_DATASET = True
    module: ModuleType = pynetdicom
    return module


@contextmanager
def associated(
    to: DicomAddress,
    contexts: Sequence[PresentationContext],
    *,
    calling: str,
    tls: TlsFiles | None = None,
    roles: Sequence[Any] = (),
    handlers: Sequence[tuple[Any, Any]] = (),
    answer_seconds: float = _ANSWER_SECONDS,
) -> Iterator[Association]:
    """Associate with an archive for a block, at whose end the association is released, or aborted if it failed.

    Parameters
    ----------
    contexts
        What is proposed, at most `MOST_CONTEXTS`.
    calling
        Our AE title.
    roles, handlers
        As pynetdicom's ``ext_neg`` and ``evt_handlers``.
    answer_seconds
        How long an answer is waited for.

    Raises
    ------
    NoAssociationError
        If there is none; NoContextError if the other side takes nothing that was proposed.
    """
    entity = pynetdicom_module().AE(ae_title=calling)
    entity.connection_timeout = _CONNECTION_SECONDS
    entity.acse_timeout = _NEGOTIATION_SECONDS
    entity.dimse_timeout = answer_seconds
    entity.network_timeout = None  # an archive may be silent as long as it looks for what was asked
    secured = None if tls is None else (tls.for_client(), to.host)
    try:
        association = entity.associate(
            to.host, to.port, contexts=list(contexts), ae_title=to.ae_title, ext_neg=list(roles),
            evt_handlers=list(handlers), tls_args=secured,
        )  # fmt: skip
    except OSError as error:  # the name is not known
        raise NoAssociationError(f"{to}: the host is not known ({error.strerror})", is_final=True) from error
    if not association.is_established:
        raise _why_none(association, to, tls)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def _why_none(association: Association, to: DicomAddress, tls: TlsFiles | None) -> NoAssociationError:
    if association.is_rejected:
        answer: Any = association.acceptor.primitive
        reason = f"{to}: the archive refuses the association ({answer.reason_str})"
        if "AE title" in answer.reason_str:
            reason += "; make both titles known there, --calling is ours"
        return NoAssociationError(reason, is_final=answer.result == _REJECTED_FOR_GOOD)
    if association.rejected_contexts and not association.accepted_contexts:
        return NoContextError(f"{to}: the archive takes nothing of what was proposed", is_final=True)
    return _why_unreachable(to, tls)


def _why_unreachable(to: DicomAddress, tls: TlsFiles | None) -> NoAssociationError:
    """Connect once more, to hear the system's word for what went wrong."""
    try:
        with socket.create_connection((to.host, to.port), timeout=_CONNECTION_SECONDS) as plain:
            if tls is not None:
                with tls.for_client().wrap_socket(plain, server_hostname=to.host):
                    pass
    except ssl.SSLCertVerificationError as error:
        word = f"its certificate is not accepted ({error.verify_message})"
        return NoAssociationError(f"{to}: {word}; see --tls-ca", is_final=True)
    except ssl.SSLError as error:
        word = (error.reason or "no TLS").replace("_", " ").lower()
        return NoAssociationError(f"{to}: no TLS can be agreed on ({word}); does it speak TLS?", is_final=True)
    except OSError as error:
        word = error.strerror or "no answer in time"
        hint = "; does it speak TLS?" if tls is not None and isinstance(error, ConnectionResetError) else ""
        return NoAssociationError(f"{to}: cannot be reached ({word}){hint}", is_final=False)
    if tls is None:
        hint = "; does it ask for TLS (--tls-ca)?"
    elif tls.certificate is None:
        hint = "; does it ask for our certificate (--tls-cert, --tls-key)?"
    else:
        hint = "; does it trust who signed our certificate (--tls-cert)?"
    return NoAssociationError(f"{to}: ends the connection without a word{hint}", is_final=False)
