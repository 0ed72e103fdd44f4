"""The side of a receiver that others speak to: a C-STORE SCP for known peers."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from nnunet_amt.clinic.pacs.association_limits import MAXIMUM_PDU, LimitedServer
from nnunet_amt.clinic.pacs.incoming_object import CANNOT_UNDERSTAND, ObjectRefusedError
from nnunet_amt.clinic.pacs.object_store import Announced, ObjectStore
from nnunet_amt.clinic.pacs.peers import Peers
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.dicom.files import pydicom_module, quiet_readers

LOG = logging.getLogger(__name__)
SUCCESS, PROCESSING_FAILURE = 0x0000, 0x0110
_NETWORK_SECONDS = 60.0
# As PS3.8 has them: permanently, by the user (1), for one of these reasons; for a while, by the provider (3), too many.
_REJECTED, _FOR_A_WHILE = 1, 2
_BY_USER, _BY_PROVIDER = 1, 3
_UNKNOWN_CALLING, _UNKNOWN_CALLED, _TOO_MANY = 3, 7, 2
_LONGEST_COMMENT = 64
_IMAGES = (
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first order
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.5",  # RLE
)


@contextmanager
def listening(
    store: ObjectStore, *, peers: Peers, ae_title: str, host: str, port: int, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Listen for the length of the block; gives the port, which 0 leaves to the system.

    Raises
    ------
    BadInputError
        If nobody can listen there.
    """
    _config.LOG_HANDLER_LEVEL = "none"  # it would lay out each message as text
    entity = AE(ae_title)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.maximum_associations = peers.limits.associations
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = _NETWORK_SECONDS
    handlers: list[Any] = [
        (evt.EVT_REQUESTED, _reject_strangers, [peers, ae_title]),
        (evt.EVT_C_STORE, _store, [store]),
        (evt.EVT_C_ECHO, _echo),
    ]
    try:
        server = entity.make_server(
            (host, port), ae_title=ae_title, contexts=_contexts(), ssl_context=tls, evt_handlers=handlers,
            server_class=LimitedServer, peers=peers,
        )  # fmt: skip
    except OSError as error:
        raise BadInputError(
            f"--port {port}: cannot listen at {host} ({error.strerror}); give another --port or --host"
        ) from error
    entity._servers.append(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="listener", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        for association in list(server.active_associations):
            association.abort()
        thread.join(timeout=5)


def _contexts() -> list:
    """All that can be stored, not deflated: what a few bytes unpack to nobody knows beforehand."""
    contexts = [build_context(Verification)]
    for storage in AllStoragePresentationContexts:
        plain = [syntax for syntax in storage.transfer_syntax if syntax != DeflatedExplicitVRLittleEndian]
        contexts.append(build_context(str(storage.abstract_syntax), [*plain, *_IMAGES]))
    return contexts


def _reject_strangers(event: Any, peers: Peers, ae_title: str) -> None:
    """Reject who is no peer, calls somebody else, or comes when as many as allowed are there."""
    request, association = event.assoc.requestor.primitive, event.assoc
    title, address = str(request.calling_ae_title).strip(), association.requestor.address
    open_now = [one for one in association.ae.active_associations if one.is_acceptor]
    if str(request.called_ae_title).strip() != ae_title:
        why, answer = "it calls another AE title than ours", (_REJECTED, _BY_USER, _UNKNOWN_CALLED)
    elif peers.find(title, address) is None:
        why, answer = "no peer of this title sends from there", (_REJECTED, _BY_USER, _UNKNOWN_CALLING)
    elif len(open_now) > peers.limits.associations:
        why, answer = "as many associations as allowed are open", (_FOR_A_WHILE, _BY_PROVIDER, _TOO_MANY)
    else:
        return
    LOG.warning("rejected an association of %r at %s: %s", title, address, why)
    association.acse.send_reject(*answer)
    association.is_rejected = True
    association.kill()


def _echo(_: Any) -> int:
    return SUCCESS


def _store(event: Any, store: ObjectStore) -> int | object:
    """Keep an object; success is told only when it is on the disk and in the ledger."""
    request, dataset = event.request, b""
    sender = str(event.assoc.requestor.ae_title).strip()
    try:
        dataset = request.DataSet.getvalue() if request.DataSet is not None else b""
        announced = Announced(
            str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax), sender,
        )  # fmt: skip
        if event.context.abstract_syntax != announced.sop_class:
            raise ObjectRefusedError(CANNOT_UNDERSTAND, "is of another SOP class than its presentation context")
        with quiet_readers():
            header = event.encoded_dataset(include_meta=True)[: -len(dataset) or None]
        store.store(header, dataset, announced)
    except ObjectRefusedError as error:
        LOG.warning("refused an object of %s with status 0x%04X: it %s", sender, error.status, error)
        return _answer(error.status, str(error))
    except Exception as error:  # whatever it is, the sender must not be told that we have the object
        LOG.error("could not take an object of %s: %s", sender, type(error).__name__)
        LOG.debug("could not take an object", exc_info=True)
        return _answer(PROCESSING_FAILURE, "it could not be taken")
    finally:
        event.assoc.bytes_waiting.done(len(dataset))
    return SUCCESS


def _answer(status: int, why: str) -> object:
    """Make a response with a comment."""
    answer = pydicom_module().dataset.Dataset()
    answer.Status, answer.ErrorComment = status, why[:_LONGEST_COMMENT]
    return answer
