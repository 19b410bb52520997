"""The Hello of a worker: what it says about itself on every stream, as one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.session.messages import Declaration
from corral_proto.v1 import common_pb2, worker_pb2

PROTOCOL = 1


def hello(
    own: Declaration,
    session_id: str,
    resident: Mapping[str, int],
    held: Sequence[worker_pb2.Held],
    *,
    resume: bool,
) -> worker_pb2.WorkerMessage:
    """Gives the first message of a stream."""
    return worker_pb2.WorkerMessage(
        hello=worker_pb2.Hello(
            protocol=PROTOCOL,
            worker_id=own.worker_id,
            instance=own.instance,
            session_id=session_id,
            capabilities=own.capabilities,
            tags=own.tags,
            labels=own.labels,
            taints=own.taints,
            admission=own.admission,
            resident=models(resident),
            sdk=own.sdk,
            held=held,
            resume=resume,
            devices=own.devices,
            enrolment_key=own.enrolment_key.name if own.enrolment_key else "",
        )
    )


def answer(
    own: Declaration, challenge: worker_pb2.Challenge, session_id: str
) -> worker_pb2.WorkerMessage:
    """Gives the answer to a hub that wants a signature; without a key an empty one, as the hub's
    Reject then tells what is missing."""
    if own.enrolment_key is None:
        return worker_pb2.WorkerMessage(challenge_response=worker_pb2.ChallengeResponse())
    said = worker_pb2.Hello(worker_id=own.worker_id, instance=own.instance, session_id=session_id)
    return own.enrolment_key.answer(challenge, said)


def models(resident: Mapping[str, int]) -> list[common_pb2.ResidentModel]:
    """Gives the wire form of the models that are loaded, name to MB."""
    return [
        common_pb2.ResidentModel(name=name, vram_mb=vram_mb) for name, vram_mb in resident.items()
    ]
