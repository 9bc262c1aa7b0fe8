"""A reader that a poisonous message kills, started again and again as a supervisor does; run by test_poison.

``python deadly_reader.py URL AREA``: every message of AREA's standard lane is written to stdout, one a line,
and acknowledged; at b"poison" the process dies of SIGKILL. Ends with 0 when nothing has come for a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from gateway.ports import Lane
from gateway.transports.rabbit import RabbitTransport

STARTS = 60


async def read(url: str, area: str) -> None:
    transport = RabbitTransport(url, area)
    deliveries = transport.deliveries(Lane.STANDARD)
    await transport.start()
    while True:
        waiting = asyncio.ensure_future(anext(deliveries))
        done, _ = await asyncio.wait({waiting}, timeout=1.0)
        if not done:
            os._exit(0)
        delivery = waiting.result()
        if delivery.body == b"poison":
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(1, delivery.body + b"\n")
        await delivery.ack()
        await asyncio.sleep(0.002)  # so that the ack is on its way before the next may kill


def main() -> int:
    for start in range(STARTS):
        child = os.fork()
        if not child:
            asyncio.run(read(*sys.argv[1:]))
        _, status = os.waitpid(child, 0)
        if not status:
            os.write(2, b"%d" % start)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
