"""What the files of access say and do, and how they change while a hub works."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest
import trustme

from corral.enrolment import EnrolmentKey, new_key
from corral_hub.access import access as access_module
from corral_hub.access.credentials import load, read_access_file
from corral_hub.access.enrolment import Enrolment
from corral_hub.access.roles import NEEDS
from corral_hub.config import HubConfig, TlsFiles
from corral_hub.errors import Misconfigured, Unauthenticated
from corral_hub.hub import Hub
from corral_hub.wires.grpc_v1 import worker as worker_wire
from corral_hub.wires.grpc_v1.orchestrator import STREAMS, UNARY
from corral_hub.wires.grpc_v1.server import SUBMIT_STREAM
from corral_hub.wires.grpc_v1.tls import server_credentials
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import Peer, Session, hello, settings

pytestmark = pytest.mark.anyio


def entry(name: str, token: str, namespace: str = "default", roles: str = '"worker"') -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return (
        f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\n'
        f'namespace = "{namespace}"\nroles = [{roles}]\n'
    )


ROOT = entry("root", "root", "*", '"admin", "worker"')


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "POLL_SECONDS", 0.05)


def test_every_method_needs_a_role() -> None:
    assert set(NEEDS) == {"Session", SUBMIT_STREAM, *UNARY, *STREAMS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token]", "at line 1"),
        ('[[token]]\nname = "a"\n', "missing required field `sha256`"),
        (entry("a", "x").replace("sha256 =", "sha = 1\nsha256 ="), "unknown field `sha`"),
        (entry("a", "x", roles='"boss"'), "roles are some of admin, orchestrator, worker"),
        (entry("a", "x", roles=""), "roles are some of"),
        (entry("a", "x", "no spaces"), "namespace 'no spaces' is none"),
        (entry("a b", "x"), "a name is"),
        (entry("a", "x").replace('sha256 = "', 'sha256 = "0'), "64 hexadecimal digits"),
        (entry("a", "x") + entry("b", "x"), "the same token"),
        (entry("a", "x") + 'expires = "soon"\n', "expires"),
    ],
)
def test_a_wrong_access_file_says_where_and_what(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "access").write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        read_access_file(tmp_path / "access")
    assert said in wrong.value.message
    assert str(tmp_path / "access") in wrong.value.message
    assert wrong.value.field == "access-file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[worker]]\nid = "w"\n', "missing required field `policy`"),
        ('policy = "closed"\n', "Invalid enum value 'closed'"),
        ('policy = "allowlist"\n[[worker]]\nid = "w"\ncertificate = "c"\n', "and not both"),
        ('policy = "allowlist"\n[[worker]]\n', "and not both"),
        ('policy = "signed"\n[[key]]\nname = "k"\npublic = "AAAA"\n', "no Ed25519 key"),
        ('policy = "signed"\n[[key]]\nname = "k"\npublic = "-----BEGIN"\n', "no Ed25519 key"),
    ],
)
def test_a_wrong_enrolment_file_says_where_and_what(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "enrolment").write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        Enrolment.load(tmp_path / "enrolment")
    assert said in wrong.value.message
    assert str(tmp_path / "enrolment") in wrong.value.message


def test_a_key_may_be_written_as_pem(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    new_key(tmp_path / "k")
    private = form.load_pem_private_key((tmp_path / "k").read_bytes(), None)
    pem = private.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "enrolment").write_text(
        f'policy = "signed"\n[[key]]\nname = "k"\npublic = """\n{pem.decode()}"""\n'
    )
    assert Enrolment.load(tmp_path / "enrolment").key[0].name == "k"


def test_a_file_without_entries_lets_nobody_in(tmp_path: Path) -> None:
    assert load((), None, None).identify(None, ()).principal == "anonymous"
    (tmp_path / "access").write_text("")
    with pytest.raises(Unauthenticated):
        load((), None, tmp_path / "access").identify(None, ())


def test_the_principal_is_of_the_name_and_not_of_the_token(tmp_path: Path) -> None:
    (tmp_path / "access").write_text(
        entry("a", "old") + entry("a", "new") + entry("b", "other") + entry("a", "away", "else")
    )
    found = load((), None, tmp_path / "access")
    old, new, other, away = (
        found.identify(f"Bearer {token}", ()).principal for token in ("old", "new", "other", "away")
    )
    assert old == new
    assert len({old, other, away}) == 3


def test_a_certificate_without_its_key_is_told_before_anybody_dials(tmp_path: Path) -> None:
    one, two = (trustme.CA().issue_cert("localhost") for _ in range(2))
    one.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    two.private_key_pem.write_to_path(str(tmp_path / "key"))
    with pytest.raises(Misconfigured, match=r"(?i)key.values.mismatch"):
        server_credentials(TlsFiles(tmp_path / "cert", tmp_path / "key"))
    with pytest.raises(Misconfigured, match="No such file"):
        server_credentials(TlsFiles(tmp_path / "cert", tmp_path / "none"))


def test_whom_the_authority_for_clients_lets_in_needs_no_token(tmp_path: Path) -> None:
    files = TlsFiles(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")
    HubConfig(listen="0.0.0.0:0", tls=files).check()
    with pytest.raises(Misconfigured, match="--insecure"):
        HubConfig(listen="0.0.0.0:0", tls=TlsFiles(files.cert, files.key)).check()


def test_a_password_of_the_store_is_not_shown() -> None:
    for given, shown in (
        ("rediss://user:pass@host:1/0", "rediss://host:1/0"),
        ("redis://:p%40ss@host", "redis://host"),
        ("redis://host:1", "redis://host:1"),
        ("unix:///tmp/s", "unix:///tmp/s"),
    ):
        assert HubConfig(valkey=given).store_address == shown


async def ended(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a stream was ended that the hub ends by a status."""
    with anyio.fail_after(10):
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
        return await call.code(), await call.details()


async def logged(capsys: pytest.CaptureFixture[str], words: str) -> None:
    """Returns when the hub's log has the words."""
    said = ""
    with anyio.fail_after(10):
        for pause in itertools.repeat(0.02):
            said += capsys.readouterr().out
            if words in said:
                return
            await anyio.sleep(pause)


async def test_a_session_outlives_a_change_of_its_token(valkey: str, tmp_path: Path) -> None:
    access = tmp_path / "access"
    access.write_text(entry("box", "old") + entry("other", "other"))
    async with Hub(settings(valkey, access_file=access)) as hub:
        first = hello()
        async with Peer(hub.address, token="old") as old:
            stream = old.stream()
            await stream.say(hello=first)
            assert not (await stream.hear("welcome")).welcome.resumed
            access.write_text(entry("box", "new") + entry("other", "other"))
            code, said = await ended(stream.call)
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert "old" not in said
        first.resume = True
        async with Peer(hub.address, token="new") as new:
            stream = new.stream()
            await stream.say(hello=first)
            assert (await stream.hear("welcome")).welcome.resumed
        async with Peer(hub.address, token="other") as other:
            stream = other.stream()
            await stream.say(hello=first)
            assert (await stream.rejected()).reason == wk.REJECT_REASON_NOT_YOURS


async def test_a_token_that_becomes_another_namespaces_ends_what_it_has_open(
    valkey: str, tmp_path: Path
) -> None:
    access = tmp_path / "access"
    access.write_text(entry("box", "box") + ROOT)
    async with (
        Hub(settings(valkey, access_file=access)) as hub,
        Peer(hub.address, token="box") as peer,
        Peer(hub.address, token="root") as root,
    ):
        moved, stays = await peer.session(), await root.session()
        access.write_text(entry("box", "box", "elsewhere") + ROOT)
        code, said = await ended(moved.call)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "no longer for namespace 'default'" in said
        await stays.hear("ping")


async def test_a_wrong_file_is_logged_and_the_one_before_holds(
    valkey: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    access = tmp_path / "access"
    access.write_text(ROOT)
    async with (
        Hub(settings(valkey, access_file=access)) as hub,
        Peer(hub.address, token="root") as peer,
    ):
        stream = await peer.session()
        access.write_text("[[token]")
        await logged(capsys, "what was read before still holds")
        await peer.submit()
        access.unlink()
        await logged(capsys, "what was read before still holds")
        await peer.submit()
        await stream.hear("ping")


async def test_an_open_subscription_ends_with_its_token(valkey: str, tmp_path: Path) -> None:
    access = tmp_path / "access"
    access.write_text(entry("reader", "reader", roles='"orchestrator"') + ROOT)
    async with (
        Hub(settings(valkey, access_file=access)) as hub,
        Peer(hub.address, token="reader") as reader,
    ):
        feed = reader.calls.SubscribeAll(pb.SubscribeAllRequest(), metadata=reader.metadata)
        await feed.read()
        access.write_text(ROOT)
        assert (await ended(feed))[0] is grpc.StatusCode.UNAUTHENTICATED


class Signing:
    """A hub that wants signatures, and two keys of which it knows one."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "enrolment"
        self.public = new_key(folder / "known")
        self.known = EnrolmentKey(folder / "known")
        new_key(folder / "other")
        self.other = EnrolmentKey(folder / "other", "known")
        self.write(self.public)

    def write(self, *public: str) -> None:
        keys = [f'[[key]]\nname = "known"\npublic = "{one}"\n' for one in public]
        self.file.write_text('policy = "signed"\n' + "".join(keys))

    def config(self, valkey: str) -> HubConfig:
        return settings(valkey, enrolment_file=self.file)


async def challenged(peer: Peer, first: wk.Hello) -> tuple[Session, wk.Challenge]:
    stream = peer.stream()
    await stream.say(hello=first)
    return stream, (await stream.hear("challenge")).challenge


async def test_a_signature_is_good_for_one_stream_and_one_hello(
    valkey: str, tmp_path: Path
) -> None:
    signing = Signing(tmp_path)
    async with Hub(signing.config(valkey)) as hub, Peer(hub.address) as peer:
        first = hello(enrolment_key="known")
        stream, challenge = await challenged(peer, first)
        signed = signing.known.answer(challenge, first)
        await stream.frame(signed)
        await stream.hear("welcome")

        async def refused(first: wk.Hello, answer: Callable[[wk.Challenge], Any]) -> wk.Reject:
            stream, challenge = await challenged(peer, first)
            assert len(challenge.nonce) == 32
            await stream.frame(answer(challenge))
            return await stream.rejected()

        another = hello(enrolment_key="known")
        elsewhere = wk.Challenge(namespace="elsewhere")
        for who, answer in (
            (first, lambda c: signed),
            (another, lambda c: signed),
            (another, lambda c: signing.known.answer(c, first)),
            (another, lambda c: signing.other.answer(c, another)),
            (another, lambda c: signing.known.answer(
                wk.Challenge(nonce=c.nonce, namespace=elsewhere.namespace), another)),
            (another, lambda c: wk.WorkerMessage(challenge_response=wk.ChallengeResponse())),
        ):  # fmt: skip
            reject = await refused(who, answer)
            assert reject.reason == wk.REJECT_REASON_NOT_ENROLLED
            assert "the signature is not of enrolment key 'known'" in reject.detail
        # Of those who were refused nothing is in the store.
        stats = await peer.calls.GetStats(pb.GetStatsRequest())
        assert stats.sessions == 1


async def test_nothing_is_said_between_challenge_and_answer(valkey: str, tmp_path: Path) -> None:
    signing = Signing(tmp_path)
    async with Hub(signing.config(valkey)) as hub, Peer(hub.address) as peer:
        for message in (
            {"goodbye": wk.Goodbye()},
            {"result": wk.Result(run_id="r", fence="1", output=b"1")},
            {"hello": hello(enrolment_key="known")},
        ):
            stream, _ = await challenged(peer, hello(enrolment_key="known"))
            await stream.say(**message)
            assert (await stream.rejected()).reason == wk.REJECT_REASON_PROTOCOL
        async with Hub(settings(valkey, "b")) as open_hub, Peer(open_hub.address) as other:
            stream = await other.session()
            await stream.say(challenge_response=wk.ChallengeResponse(signature=b"x"))
            assert (await stream.rejected()).reason == wk.REJECT_REASON_PROTOCOL


async def test_who_does_not_answer_is_not_waited_for(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_wire, "HELLO_SECONDS", 0.3)
    signing = Signing(tmp_path)
    async with Hub(signing.config(valkey)) as hub, Peer(hub.address) as peer:
        stream, _ = await challenged(peer, hello(enrolment_key="known"))
        # Frames without a word in them win no time.
        await stream.frame()
        reject = await stream.rejected()
        assert (reject.reason, reject.detail) == (
            wk.REJECT_REASON_BAD_HELLO, "no answer to the Challenge came within 0 s",
        )  # fmt: skip


async def test_a_key_that_is_taken_off_the_file_ends_its_streams(
    valkey: str, tmp_path: Path
) -> None:
    signing = Signing(tmp_path)
    async with Hub(signing.config(valkey)) as hub, Peer(hub.address) as peer:
        for public in ((), (new_key(tmp_path / "newer"),)):
            signing.write(signing.public)

            async def enrolled() -> Session | None:
                first = hello(enrolment_key="known")
                stream = peer.stream()
                await stream.say(hello=first)
                challenge = (await stream.hear("challenge", "reject")).challenge
                if not challenge.nonce:
                    return None
                await stream.frame(signing.known.answer(challenge, first))
                heard = await stream.hear("welcome", "reject")
                return stream if heard.WhichOneof("message") == "welcome" else None

            stream = None
            with anyio.fail_after(10):
                while stream is None:
                    stream = await enrolled()
            signing.write(*public)
            reject = await stream.rejected()
            assert reject.reason == wk.REJECT_REASON_NOT_ENROLLED


async def test_a_worker_that_is_taken_off_the_list_ends(valkey: str, tmp_path: Path) -> None:
    listed = tmp_path / "listed"
    listed.write_text('policy = "allowlist"\n[[worker]]\nid = "a"\n[[worker]]\nid = "b"\n')
    async with Hub(settings(valkey, enrolment_file=listed)) as hub, Peer(hub.address) as peer:
        a, b = await peer.session(worker_id="a"), await peer.session(worker_id="b")
        listed.write_text('policy = "allowlist"\n[[worker]]\nid = "b"\n')
        reject = await a.rejected()
        assert reject.reason == wk.REJECT_REASON_NOT_ENROLLED
        assert "not on this hub's list" in reject.detail
        await b.hear("ping")
