"""A pager that keeps what it is given, and ladders to climb, for tests and trials."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.ladder import DEFAULT, Ladders, Role
from gateway.errors import GatewayError
from gateway.ports import Page
from gateway.testing.boroughs import Borough

LADDERS = Ladders(
    roles={
        "duty_officer": Role("duty_officer", "bell", to="duty@agency.example", deputy="deputy"),
        "deputy": Role("deputy", "bell", to="deputy@agency.example"),
        "manager": Role("manager", "bell", to="manager@agency.example"),
        "director": Role("director", "bell", to="director@agency.example"),
    },
    ladders={DEFAULT: ("duty_officer", "manager", "director")},
    link="https://gateway.example",
)


class Bell:
    """``fail`` makes the next calls fail."""

    def __init__(self) -> None:
        self.rung: list[Page] = []
        self.fail: list[GatewayError] = []
        self.open = False

    @property
    def roles(self) -> list[str]:
        return [page.role for page in self.rung]

    async def start(self) -> None:
        self.open = True

    async def send(self, page: Page) -> None:
        if self.fail:
            raise self.fail.pop(0)
        self.rung.append(page)

    async def close(self) -> None:
        self.open = False


def hang(borough: Borough, ladders: Ladders = LADDERS) -> Bell:
    """Give a borough these ladders, and a bell as their channel."""
    bell = Bell()
    borough.node = replace(borough.node, ladders=ladders, pagers={"bell": bell})
    return bell
