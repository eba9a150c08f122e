"""Publishing to a real server: kept, told from repeats, and never in doubt for longer than the time-out."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import pytest

from onward import App, Record, Retry, Unavailable
from onward.connect.nats import Ack, JetStream, NatsURL, Stream, open_nats
from onward.errors import MessageRefused, MissingExtra, Refused
from onward.settings import masked
from onward.testing import TestRun
from servers.nats import Nats, own

T = TypeVar("T")


def with_nats(url: str, work: Callable[[JetStream], Awaitable[T]], **options: Any) -> T:
    async def run() -> T:
        async with open_nats(url, **options) as opened:
            return await work(opened)

    return asyncio.run(run())


def refused(url: str, subject: str = "a.b", body: bytes = b"x", **options: Any) -> str:
    """What is said as a message cannot be published; without a secret."""

    async def one(opened: JetStream) -> None:
        await opened.publish(subject, body, id="1")

    with pytest.raises(Unavailable) as caught:
        with_nats(url, one, **options)
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


# publishing


def test_a_message_is_kept_with_its_headers_and_a_repeat_once(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> list[Ack]:
        first = await opened.publish("shop.sold", b"one", id="a", headers={"x": "y"})
        return [first, await opened.publish("shop.sold", b"one", id="a"), await opened.publish("shop.b", b"", id="b")]

    assert with_nats(nats.url, work) == [Ack("shop", 1, False), Ack("shop", 1, True), Ack("shop", 2, False)]
    assert [(m.subject, m.body, m.id) for m in nats.messages("shop")] == [
        ("shop.sold", b"one", "a"),
        ("shop.b", b"", "b"),
    ]
    assert nats.messages("shop")[0].headers["x"] == "y"


def test_messages_of_one_after_another_keep_their_order(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> None:
        for number in range(200):
            await opened.publish("shop.n", b"%d" % number, id=str(number))

    with_nats(nats.url, work)
    assert [int(message.body) for message in nats.messages("shop")] == list(range(200))


def test_many_at_once_share_a_connection(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> list[Ack]:
        return await asyncio.gather(*(opened.publish("shop.n", b"", id=str(n)) for n in range(100)))

    assert sorted(ack.sequence for ack in with_nats(nats.url, work)) == list(range(1, 101))


def test_without_a_stream_it_is_said_what_to_do(nats: Nats) -> None:
    said = refused(nats.url, "shop.sold")
    assert "no stream takes shop.sold" in said and "nats stream add NAME --subjects 'shop.sold'" in said


def test_a_stream_is_made_where_none_takes_a_message(nats: Nats) -> None:
    async def work(opened: JetStream) -> Ack:
        return await opened.publish("shop.sold", b"x", id="1")

    made = Stream("shop", ["shop.*"], duplicates="1h", keep="7d")
    assert with_nats(nats.url, work, stream=made) == Ack("shop", 1, False)
    assert with_nats(nats.url, work, stream=made) == Ack("shop", 1, True)
    config = nats.config("shop")
    assert (config.duplicate_window, config.max_age, config.subjects) == (3_600, 604_800, ["shop.*"])


def test_a_stream_that_takes_a_message_is_left_alone(nats: Nats) -> None:
    nats.add_stream("mine", ["shop.>"], max_msgs=5)

    async def work(opened: JetStream) -> Ack:
        return await opened.publish("shop.sold", b"x", id="1")

    assert with_nats(nats.url, work, stream=Stream("shop", ["shop.*"])).stream == "mine"
    assert nats.config("mine").max_msgs == 5


def test_a_stream_of_that_name_that_does_not_take_it_is_named(nats: Nats) -> None:
    nats.add_stream("shop", ["other"])
    assert "stream shop is there and does not take it" in refused(nats.url, stream=Stream("shop", ["a.*"]))


def test_a_full_stream_is_away_and_a_message_that_is_too_large_is_bad(nats: Nats) -> None:
    from nats.js.api import DiscardPolicy

    nats.add_stream("full", ["a.*"], max_msgs=1, discard=DiscardPolicy.NEW)

    async def work(opened: JetStream) -> None:
        await opened.publish("a.b", b"x", id="1")
        with pytest.raises(Unavailable, match="maximum messages exceeded"):
            await opened.publish("a.b", b"x", id="2")
        with pytest.raises(MessageRefused, match=r"a\.b.*payload"):
            await opened.publish("a.b", b"x" * 2_000_000, id="3")
        with pytest.raises(MessageRefused, match="a b"):
            await opened.publish("a b", b"x", id="4")

    with_nats(nats.url, work)


def test_somebody_who_is_no_stream_and_answers_is_told(nats: Nats) -> None:
    async def work(opened: JetStream) -> None:
        import nats as client

        other = await client.connect(nats.url)
        for answer in (b"hello", b"{}", b"[]"):

            async def reply(message: Any, answer: bytes = answer) -> None:
                await message.respond(answer)

            subscription = await other.subscribe("shop.a", cb=reply)
            await other.flush()
            with pytest.raises(Unavailable, match=r"no stream answers what comes to shop\.a"):
                await opened.publish("shop.a", b"", id="1")
            await subscription.unsubscribe()
            await other.flush()
        await other.close()

    with_nats(nats.url, work)


def test_who_may_publish_and_nothing_else_does(tmp_path: Path) -> None:
    """Permissions of a careful operator: the message's subject, and answers."""
    (tmp_path / "conf").write_text(
        """authorization { users: [
            {user: admin, password: adminword},
            {user: me, password: mineword, permissions: {publish: ["shop.>"], subscribe: ["_INBOX.>"]}}]}"""
    )
    with own("-c", str(tmp_path / "conf")) as server:
        server.start()
        at = f"127.0.0.1:{server.port}"
        server.login = "admin:adminword@"
        server.add_stream("shop", ["shop.>"])

        async def work(opened: JetStream) -> str:
            assert (await opened.publish("shop.a", b"", id="1")).sequence == 1
            with pytest.raises(Unavailable, match="permissions violation for publish to"):
                await opened.publish("other.a", b"", id="1")
            return await opened.doctor()

        assert "this user may not ask" in with_nats(f"nats://me:mineword@{at}", work, timeout=0.5)


# servers that are away


def test_a_server_without_jetstream_is_named() -> None:
    with own(js=False) as server:
        server.start()
        assert "has no JetStream" in refused(server.url)


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with own() as server:
        started = time.monotonic()
        assert refused(server.url).startswith(server.url)
        assert time.monotonic() - started < 2


def test_a_server_that_does_not_answer_takes_as_long_as_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        started = time.monotonic()
        assert "no answer within 0.3 s" in refused(f"nats://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.3)
        assert time.monotonic() - started < 3


def test_an_answer_that_does_not_come_gives_the_connection_up(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> Ack:
        await opened.publish("shop.a", b"", id="1")
        nats.freeze()
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 s to what was sent to shop.a"):
            await opened.publish("shop.a", b"", id="2")
        assert time.monotonic() - started < 3
        nats.thaw()
        return await opened.publish("shop.a", b"", id="2")

    with_nats(nats.url, work, timeout=0.3)
    assert [message.id for message in nats.messages("shop")] == ["1", "2"]


def test_after_a_restart_it_goes_on_and_nothing_is_there_twice(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> list[bool]:
        await opened.publish("shop.a", b"", id="1")
        nats.kill()
        with pytest.raises(Unavailable):
            await opened.publish("shop.a", b"", id="2")
        nats.start()
        return [(await opened.publish("shop.a", b"", id=id_)).repeated for id_ in ("1", "2")]

    assert with_nats(nats.url, work) == [True, False]
    assert [message.id for message in nats.messages("shop")] == ["1", "2"]


def test_of_several_servers_one_that_is_there_is_taken(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])

    async def work(opened: JetStream) -> Ack:
        return await opened.publish("shop.a", b"", id="1")

    with own() as away:
        assert with_nats(f"{away.url},{nats.url}", work).sequence == 1


def test_it_tells_a_doctor_whether_it_is_well(nats: Nats) -> None:
    async def ask(opened: JetStream) -> str:
        return await opened.doctor()

    assert with_nats(nats.url, ask) == f"{nats.url} answers, with JetStream"
    nats.kill()
    with pytest.raises(Unavailable, match="cannot be reached"):
        with_nats(nats.url, ask)
    with own(js=False) as server:
        server.start()
        with pytest.raises(Unavailable, match="has no JetStream"):
            with_nats(server.url, ask)


# who one is


@contextmanager
def guarded(*options: str) -> Iterator[str]:
    """Where a server listens that asks who one is."""
    with own(*options) as server:
        server.start()
        yield f"127.0.0.1:{server.port}"


def test_a_wrong_password_is_refused_and_not_shown() -> None:
    with guarded("--user", "me", "--pass", "right/word") as at:
        said = refused(f"nats://me:s3cretword@{at}")
        assert "Authorization Violation" in said and "me:***@" in said
        assert "no stream takes" in refused(f"nats://me:right%2Fword@{at}")  # it is let in


def test_a_wrong_token_is_refused_and_not_shown() -> None:
    with guarded("--auth", "right-token") as at:
        assert "Authorization Violation" in refused(f"nats://s3cret-token@{at}")
        assert "no stream takes" in refused(f"nats://right-token@{at}")


def test_tls_is_insisted_on_before_a_password_is_said() -> None:
    for login, options in (("me:rightword@", ["--user", "me", "--pass", "rightword"]), ("", [])):
        with guarded(*options) as at:
            assert "offers no TLS" in refused(f"tls://{login}{at}")


def test_over_tls_to_who_is_trusted_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = self_signed(tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with guarded("--tls", "--tlscert", str(certificate), "--tlskey", str(key), "--user", "me", "--pass", "word") as at:
        assert "certificate verify failed" in refused(f"tls://me:word@{at}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "no stream takes" in refused(f"tls://me:word@{at}")  # it is let in


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate of 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "certificate").write_bytes(made.public_bytes(pem))
    return folder / "key", folder / "certificate"


# URLs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://h", "nats://h:4222"),
        ("nats://user:pass@word4@host:4223", "nats://user:***@host:4223"),
        ("nats://to%2Fken@h", "nats://***@h:4222"),
        ("tls://u:p@h:1,tls://u:p@[::1]:2", "tls://u:***@h:1,tls://u:***@[::1]:2"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert str(NatsURL(url)) == repr(NatsURL(url)) == shown


def test_secrets_of_a_url_are_masked_in_what_others_say() -> None:
    NatsURL("nats://u:pa%2Fss1@h,nats://t0ken-x@h")
    assert masked("it was pa/ss1, pa%2Fss1 or t0ken-x") == "it was ***, *** or ***"


@pytest.mark.parametrize(
    "url",
    [
        "http://u:s3cret@h",
        "nats://",
        "nats:s3cret",
        "nats://u:s3cret@h/x",
        "nats://h:x",
        "nats://me:s3cret",
        "nats://[s3cret",
    ],
)
def test_what_is_no_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Refused, match="URL of NATS") as caught:
        open_nats(url)
    assert "s3cret" not in str(caught.value)


def test_without_the_extra_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    for name in [name for name in sys.modules if name.startswith("nats.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"onward\[nats\]"):
        open_nats("nats://h")


# in an app


def test_a_stage_publishes_with_the_ids_of_its_records(nats: Nats) -> None:
    nats.add_stream("shop", ["shop.>"])
    app = App("shop")
    sold = app.topic("sold", dict, key="customer")

    @app.resource
    async def broker() -> Any:
        async with open_nats(nats.url) as opened:
            yield opened

    @app.stage(sold, retry=Retry(first="10ms", most="20ms"))
    async def tell(sale: Record[dict], broker: JetStream) -> None:
        await broker.publish("shop.sold", sale.value["customer"].encode(), id=sale.id)

    with TestRun(app) as run:
        run.put(sold, *({"customer": f"c{n}"} for n in range(20)))
        nats.kill()
        nats.start()
        run.until_idle()
        assert run.parked(tell) == []
    assert [message.body.decode() for message in nats.messages("shop")] == [f"c{n}" for n in range(20)]
    assert len({message.id for message in nats.messages("shop")}) == 20
