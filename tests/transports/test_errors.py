"""Foreign errors become ours once; a cancellation stays one only when somebody asked for it."""

from __future__ import annotations

import asyncio

import pytest
from aiormq import exceptions as foreign
from pamqp.commands import Basic

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.transports._errors import translate, translated, unavailable


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (foreign.DeliveryError(None, Basic.Nack(1)), Unavailable, "queue_full"),
        (foreign.ChannelNotFoundEntity("gone"), Misconfigured, "broker_topology"),
        (foreign.ChannelAccessRefused("no"), Misconfigured, "broker_permission"),
        (foreign.ChannelPreconditionFailed("other"), Misconfigured, "broker_mismatch"),
        (foreign.ProbableAuthenticationError("no"), Misconfigured, "broker_account"),
        (foreign.AuthenticationError("PLAIN", "X"), Misconfigured, "broker_account"),
        (foreign.ConnectionNotAllowed("vhost"), Misconfigured, "broker_account"),
        (foreign.InvalidFrameError("close"), Unavailable, "broker_vhost"),
        (TimeoutError(), Unavailable, "broker_timeout"),
        (foreign.ChannelInvalidStateError("closed"), Unavailable, "broker_lost"),
        (foreign.AMQPConnectionError("reset"), Unavailable, "broker_lost"),
        (ConnectionResetError(), Unavailable, "broker_lost"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_foreign_error(error: Exception, kind: type[GatewayError], code: str) -> None:
    ours = translate(error, "publish")
    assert type(ours) is kind
    assert ours.code == code
    assert ours.message.startswith("could not publish")
    if kind is Misconfigured:
        assert ours.remedy


def test_a_finding_for_the_operator_becomes_one_worth_another_try() -> None:
    ours = unavailable(Misconfigured("no queue", code="broker_topology", remedy="declare it"))
    assert type(ours) is Unavailable
    assert (ours.message, ours.code, ours.remedy) == ("no queue", "broker_topology", "declare it")


async def test_a_cancellation_that_nobody_asked_for_is_a_lost_connection() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    with pytest.raises(Unavailable) as caught, translated("publish"):
        await future
    assert caught.value.code == "broker_lost"


async def test_a_cancellation_that_somebody_asked_for_stays_one() -> None:
    entered = asyncio.Event()

    async def wait() -> None:
        with translated("publish"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_time_out_of_a_caller_passes_through() -> None:
    async def wait() -> None:
        with translated("publish"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.01)


def test_our_own_errors_pass_through() -> None:
    with pytest.raises(Misconfigured), translated("publish"):
        raise Misconfigured("ours")


def test_a_bug_is_not_taken_for_a_broker() -> None:
    with pytest.raises(KeyError), translated("publish"):
        raise KeyError("bug")


@pytest.mark.timeout(10)
def test_an_error_that_stands_in_its_own_context_is_looked_at_once() -> None:
    """As aiormq left it where several tasks were told of one lost connection: the look for a fault of TLS
    went round for ever, and with it the node (histories of faults, seed 2)."""
    first, second = ConnectionResetError(), foreign.AMQPConnectionError("reset")
    first.__context__, second.__context__ = second, first
    assert translate(first, "publish").code == "broker_lost"
