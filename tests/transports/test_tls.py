"""TLS with client certificates against a real broker: who gets in, what is said, and renewal under load."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from gateway.clock import SystemClock
from gateway.errors import Misconfigured, Unavailable
from gateway.ports import Lane, Shelf
from gateway.testing.broker import PrivateBroker
from gateway.testing.transport_suite import HERE, THERE, message, take_all
from gateway.transports import topology
from gateway.transports.certificates import Identity
from gateway.transports.definitions import hub
from gateway.transports.private_broker import Membership, free_ports
from gateway.transports.rabbit import RabbitTransport, Timeouts
from tests.transports.authority import DAY, Authority

QUICK = Timeouts(connect=4, confirm=4, settle=1, close=1, look=0.2)
AT_ONCE = replace(QUICK, connect=0.7)


class Secured:
    """A broker that takes TLS with a client certificate alone, and the authority that it believes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.cafile = self.authority.save(folder / "ca.pem")
        self.files = self.authority.issue(folder / "broker", "broker", ends=20 * DAY)
        (self.port,) = free_ports(1)
        self.broker = PrivateBroker(
            "rabbitmq_auth_mechanism_ssl",
            member=Membership(
                settings=(
                    f"listeners.ssl.1 = 127.0.0.1:{self.port}",
                    f"ssl_options.cacertfile = {self.cafile}",
                    f"ssl_options.certfile = {self.files[0]}",
                    f"ssl_options.keyfile = {self.files[1]}",
                    "ssl_options.versions.1 = tlsv1.3",
                    "ssl_options.verify = verify_peer",
                    "ssl_options.fail_if_no_peer_cert = true",
                    "ssl_cert_login_from = common_name",
                    "auth_mechanisms.1 = EXTERNAL",
                    "auth_mechanisms.2 = PLAIN",
                )
            ),
        )

    def start(self) -> None:
        self.broker.start(self.folder)
        file = self.folder / "definitions.json"
        file.write_text(json.dumps(hub([HERE, THERE])))
        self.broker.ctl("import_definitions", str(file))
        self.broker.sync()

    @property
    def url(self) -> str:
        return f"amqps://127.0.0.1:{self.port}/handover?auth=external"

    def identity(self, account: str, files: tuple[Path, Path] | None, cafile: Path | None = None) -> Identity:
        certificate, key = files or (None, None)
        return Identity(
            account=account,
            now=SystemClock().now,
            cafile=cafile or self.cafile,
            certificate=certificate,
            key=key,
        )

    def transport(
        self, account: str, files: tuple[Path, Path] | None, timeouts: Timeouts = QUICK
    ) -> RabbitTransport:
        identity = self.identity(account, files)
        return RabbitTransport(self.url, account, timeouts=timeouts, identity=identity)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured(tmp_path_factory.mktemp("tls"))
    made.start()
    yield made
    made.broker.close()


async def refusal(transport: RabbitTransport) -> Unavailable:
    try:
        with pytest.raises(Unavailable) as caught:
            await transport.start()
    finally:
        await transport.close()
    return caught.value


async def test_the_right_certificate_gets_in_and_its_dates_are_known(
    secured: Secured, tmp_path: Path
) -> None:
    here = secured.transport(HERE, secured.authority.issue(tmp_path / "here", HERE, ends=60 * DAY))
    there = secured.transport(THERE, secured.authority.issue(tmp_path / "there", THERE))
    try:
        await here.start()
        await there.start()
        await here.publish(message(b"sealed"))
        while await take_all(there.deliveries(Lane.STANDARD), 1) != [b"sealed"]:
            pass  # what another test has left
        days = {
            whose: round((ends - SystemClock().now()) / 86_400) for whose, ends in here.certificates().items()
        }
        assert days == {"node": 60, "broker": 20}
    finally:
        await here.close()
        await there.close()


async def test_what_is_refused_is_said_in_words(secured: Secured, tmp_path: Path) -> None:
    ended = secured.authority.issue(tmp_path / "ended", HERE, begins=-9 * DAY, ends=-DAY)
    error = await refusal(secured.transport(HERE, ended, AT_ONCE))
    assert (error.code, "ended on 20" in error.message) == ("broker_certificate", True)
    assert "without a restart" in error.remedy

    early = secured.authority.issue(tmp_path / "early", HERE, begins=DAY)
    error = await refusal(secured.transport(HERE, early, AT_ONCE))
    assert (error.code, "valid from" in error.message) == ("broker_certificate", True)

    stranger = Authority("somebody else").issue(tmp_path / "stranger", HERE)
    error = await refusal(secured.transport(HERE, stranger, AT_ONCE))
    assert error.code == "broker_certificate"
    assert "certificate" in error.message
    assert "cacertfile" in error.remedy

    error = await refusal(secured.transport(HERE, None, AT_ONCE))
    assert error.code == "broker_certificate"
    assert "certificate and key" in error.remedy


async def test_an_account_that_the_broker_does_not_know(secured: Secured, tmp_path: Path) -> None:
    unknown = "E09000099"
    transport = secured.transport(unknown, secured.authority.issue(tmp_path / "unknown", unknown))
    try:
        with pytest.raises(Misconfigured) as caught:
            await transport.start()
    finally:
        await transport.close()
    assert caught.value.code == "broker_account"


async def test_a_broker_that_is_not_who_it_should_be(secured: Secured, tmp_path: Path) -> None:
    files = secured.authority.issue(tmp_path / "here", HERE)
    other = Authority("somebody else").save(tmp_path / "other.pem")
    identity = secured.identity(HERE, files, other)
    error = await refusal(RabbitTransport(secured.url, HERE, timeouts=AT_ONCE, identity=identity))
    assert (error.code, "not signed by an authority" in error.message) == ("broker_certificate", True)
    url = secured.url.replace("127.0.0.1", "localhost")
    identity = secured.identity(HERE, files)
    error = await refusal(RabbitTransport(url, HERE, timeouts=AT_ONCE, identity=identity))
    assert (error.code, "another name" in error.message) == ("broker_certificate", True)


async def test_another_areas_certificate_reads_nothing_of_ours(secured: Secured, tmp_path: Path) -> None:
    """It logs in as itself whatever it says it is; and this node does not take it up at all."""
    theirs = secured.authority.issue(tmp_path / "theirs", THERE)
    with pytest.raises(Misconfigured) as caught:
        await secured.transport(HERE, theirs).start()
    assert "another account's" in caught.value.message
    context = secured.identity(THERE, theirs).context()
    connection = await aio_pika.connect(secured.url, ssl_context=context)
    async with connection:
        for lane in Lane:
            channel = await connection.channel()
            queue = await channel.get_queue(topology.intake(HERE, lane), ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await queue.get(fail=False)


def in_place(new: tuple[Path, Path], old: tuple[Path, Path]) -> None:
    """As a renewal tool does it: copied beside, then renamed."""
    for source, target in zip(reversed(new), reversed(old), strict=True):
        beside = target.with_suffix(".new")
        shutil.copy(source, beside)
        beside.replace(target)


async def test_renewal_under_load_loses_nothing(secured: Secured, tmp_path: Path) -> None:
    files = secured.authority.issue(tmp_path / "in-use", HERE, ends=timedelta(seconds=4))
    theirs = secured.authority.issue(tmp_path / "theirs", THERE, ends=timedelta(seconds=4))
    here, there = secured.transport(HERE, files), secured.transport(THERE, theirs)
    confirmed: set[bytes] = set()
    received: set[bytes] = set()
    failed: list[str] = []
    stop = asyncio.Event()

    async def publish(worker: int) -> None:
        number = 0
        while not stop.is_set():
            body = b"%d/%d" % (worker, number)
            try:
                await here.publish(message(body))
                confirmed.add(body)
                number += 1
            except Unavailable as error:
                failed.append(error.code)
                await asyncio.sleep(0.05)

    async def read() -> None:
        async for delivery in there.deliveries(Lane.STANDARD):
            received.add(delivery.body)
            await delivery.ack()

    try:
        await here.start()
        await there.start()
        reading = asyncio.create_task(read())
        publishing = [asyncio.create_task(publish(worker)) for worker in range(8)]
        await asyncio.sleep(0.5)
        before = [await end.link.session() for end in (*here._ends(), *there._ends())]
        in_place(secured.authority.issue(tmp_path / "new", HERE), files)
        in_place(secured.authority.issue(tmp_path / "newer", THERE), theirs)
        async with asyncio.timeout(20):
            for session in before:
                await session.lost.wait()
            await asyncio.sleep(4)  # past the end of the old ones
        stop.set()
        await asyncio.gather(*publishing)
        async with asyncio.timeout(20):
            while not confirmed <= received:  # noqa: ASYNC110 - counts what a broker brings
                await asyncio.sleep(0.05)
        for end in (*here._ends(), *there._ends()):
            session = await end.link.session()
            assert session.turn == 2  # of the new certificate
        reading.cancel()
    finally:
        await here.close()
        await there.close()
    assert failed == []
    assert len(confirmed) > 100


async def test_only_a_new_certificate_renews_and_what_was_handed_out_before_is_settled_after(
    secured: Secured, tmp_path: Path
) -> None:
    files = secured.authority.issue(tmp_path / "in-use", THERE)
    here = secured.transport(HERE, secured.authority.issue(tmp_path / "here", HERE))
    there = secured.transport(THERE, files)
    try:
        await here.start()
        await there.start()
        stream = there.deliveries(Lane.RECEIPTS)
        await here.publish(message(b"in hand", lane=Lane.RECEIPTS))
        delivery = await anext(stream)
        link, shelves = there._intakes[Lane.RECEIPTS].link, there._shelves.link
        before = await link.session()
        assert await there.aside(Shelf.RETURNED) is None
        await asyncio.sleep(3 * QUICK.look)
        assert await link.session() is before, "nothing has changed"
        in_place(secured.authority.issue(tmp_path / "new", THERE), files)
        async with asyncio.timeout(10):
            await before.over.wait()
        await asyncio.sleep(0.3)
        await delivery.ack()
        assert (await shelves.session()).turn == 2, "also what is seldom used"
        async with asyncio.timeout(10):
            await before.lost.wait()
        await there.close()
        there = secured.transport(THERE, files)
        await there.start()
        assert await there.waiting(Lane.RECEIPTS) == 0
    finally:
        await here.close()
        await there.close()


async def test_a_new_certificate_that_the_broker_refuses_costs_no_connection(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = secured.authority.issue(tmp_path / "in-use", HERE)
    here = secured.transport(HERE, files)
    try:
        await here.start()
        before = await here._bulk.link.session()
        in_place(Authority("somebody else").issue(tmp_path / "wrong", HERE), files)
        async with asyncio.timeout(10):
            while "new certificate failed" not in caplog.text:  # noqa: ASYNC110 - the log is what is awaited
                await asyncio.sleep(0.05)
        assert await here._bulk.link.session() is before
        await here.publish(message(b"still"))
        in_place(secured.authority.issue(tmp_path / "right", HERE), files)
        async with asyncio.timeout(10):
            await before.over.wait()
        await here.publish(message(b"and now"))
    finally:
        await here.close()


async def test_a_connection_that_expired_unnoticed_is_told_and_mended_without_a_restart(
    secured: Secured, tmp_path: Path
) -> None:
    """A node that was off while its certificate ended: it says so, and goes on once a new one lies there."""
    files = secured.authority.issue(tmp_path / "in-use", HERE, begins=-9 * DAY, ends=-DAY)
    here = secured.transport(HERE, files, AT_ONCE)
    try:
        with pytest.raises(Unavailable) as caught:
            await here.start()
        assert "ended on" in caught.value.message
        in_place(secured.authority.issue(tmp_path / "new", HERE), files)
        async with asyncio.timeout(15):
            while True:
                try:
                    await here.publish(message(b"back"))
                except Unavailable:
                    continue
                break
    finally:
        await here.close()


def test_a_half_written_pair_keeps_the_last_good_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority()
    files = authority.issue(tmp_path / "in-use", HERE, ends=10 * DAY)
    own = Identity(
        account=HERE,
        now=SystemClock().now,
        cafile=authority.save(tmp_path / "ca.pem"),
        certificate=files[0],
        key=files[1],
    )
    first, ends = own.context(), own.ends
    assert own.context() is first
    new = authority.issue(tmp_path / "new", HERE, ends=30 * DAY)
    shutil.copy(new[0], files[0])
    assert own.context() is first
    assert own.context() is first
    assert caplog.text.count("not usable") == 1
    assert own.ends == ends
    shutil.copy(new[1], files[1])
    assert own.context() is not first
    assert own.ends == ends + 20 * 86_400


def test_a_new_key_that_was_open_to_others_is_taken_up_after_the_chmod_that_was_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority()
    files = authority.issue(tmp_path / "in-use", HERE, ends=10 * DAY)
    own = Identity(account=HERE, now=SystemClock().now, certificate=files[0], key=files[1])
    first = own.context()
    new = authority.issue(tmp_path / "new", HERE, ends=30 * DAY)
    new[1].chmod(0o644)
    in_place(new, files)
    assert own.context() is first
    assert "chmod 600" in caplog.text
    files[1].chmod(0o600)
    assert own.context() is not first


def test_a_pair_that_is_put_there_while_the_one_before_is_read_is_read_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    files = authority.issue(tmp_path / "in-use", HERE, ends=10 * DAY)
    new = authority.issue(tmp_path / "new", HERE, ends=30 * DAY)
    own = Identity(account=HERE, now=SystemClock().now, certificate=files[0], key=files[1])
    load = own._load

    def overtaken() -> object:
        found = load()
        in_place(new, files)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(own, "_load", overtaken)
        first, ends = own.context(), own.ends
    assert own.context() is not first
    assert own.ends == ends + 20 * 86_400


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda files, ca: files[1].chmod(0o640), "/broker/key"),
        (lambda files, ca: files[1].unlink(), "/broker/key"),
        (lambda files, ca: files[0].write_text("nothing"), "/broker/certificate"),
        (lambda files, ca: ca.write_text("nothing"), "/broker/cafile"),
        (lambda files, ca: ca.unlink(), "/broker/cafile"),
    ],
    ids=["key open", "no key", "no certificate", "no authority", "authority gone"],
)
def test_files_that_are_not_usable_are_named(
    tmp_path: Path, spoil: Callable[[tuple[Path, Path], Path], object], field: str
) -> None:
    authority = Authority()
    certificate, key = authority.issue(tmp_path, HERE)
    cafile = authority.save(tmp_path / "ca.pem")
    spoil((certificate, key), cafile)
    own = Identity(account=HERE, now=lambda: 0, cafile=cafile, certificate=certificate, key=key)
    with pytest.raises(Misconfigured) as caught:
        own.context()
    assert caught.value.field == field
    assert caught.value.remedy
