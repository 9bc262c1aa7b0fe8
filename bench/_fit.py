"""Whether a figure grows: a straight line through its samples, and a verdict.

Duty: least squares over (seconds, value), and when a slope counts as growth. What was sampled is the
caller's business.

Rules: growth is what the LINE rises from the first to the last sample of the window, not last minus first:
one peak at the end is no trend. It counts when it is more than the noise around the line (t > 4), more than a
tenth of the mean AND more than a floor in the figure's own unit: three file descriptors more are no leak.

Example::

    fit([(0, 10.0), (10, 10.0), (20, 10.0)], floor=1).verdict       # "flat"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

SHARE = 0.10
T = 4.0
FEWEST = 6
"""Samples under which nothing is said."""


@dataclass(frozen=True, slots=True)
class Fit:
    samples: int
    seconds: float
    mean: float
    least: float
    most: float
    rise: float
    """What the line rises over the window."""
    per_hour: float
    t: float
    verdict: str


def fit(points: Sequence[tuple[float, float]], *, floor: float) -> Fit:
    """``floor``: a rise under which it is no growth, in the figure's own unit."""
    values = [value for _, value in points]
    if len(points) < FEWEST:
        mean = sum(values) / len(values) if values else 0.0
        return Fit(len(points), 0, mean, min(values, default=0), max(values, default=0), 0, 0, 0, "too short")
    slope, mean, t = _line(points)
    seconds = points[-1][0] - points[0][0]
    rise = slope * seconds
    grows = t > T and rise > max(floor, SHARE * mean)
    verdict = "grows" if grows else "flat"
    return Fit(len(points), seconds, mean, min(values), max(values), rise, slope * 3600, t, verdict)


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """(slope, mean of the values, slope over its standard error)."""
    count = len(points)
    middle, mean = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - middle) ** 2 for x, _ in points)
    if not spread:
        return 0.0, mean, 0.0
    slope = sum((x - middle) * (y - mean) for x, y in points) / spread
    rest = sum((y - mean - slope * (x - middle)) ** 2 for x, y in points)
    error = sqrt(rest / (count - 2) / spread)
    return slope, mean, slope / error if error else (inf if slope > 0 else 0.0)
