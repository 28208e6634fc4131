"""How fast a quantity grows that also rises and falls with what a program is doing, and how sure that is.

Readings are compared only with readings of the same state (which cameras were online): seasonal Kendall slopes (Hirsch,
Slack, Smith 1982), with the 95 % interval of Sen (1968). Of every state the least reading of a minute counts: what is only
under way does not look like growth, and readings a second apart are not counted as if they were independent.
"""

import math
import statistics
from typing import NamedTuple


class Reading(NamedTuple):
    seconds: float
    state: str
    value: float


class Slope(NamedTuple):
    """Growth per hour: the median, the interval's ends, and how many readings were compared."""

    middle: float
    low: float
    high: float
    readings: int


def floors(readings: list[Reading], length: float = 60) -> list[Reading]:
    """The least reading of every state in every so many seconds."""
    found: dict[tuple[str, int], Reading] = {}
    for reading in readings:
        key = (reading.state, int(reading.seconds // length))
        if key not in found or reading.value < found[key].value:
            found[key] = reading
    return list(found.values())


def slope(readings: list[Reading]) -> Slope:
    """Unbounded where there is too little to compare."""
    by_state: dict[str, list[Reading]] = {}
    for reading in readings:
        by_state.setdefault(reading.state, []).append(reading)
    slopes, variance = [], 0.0
    for group in by_state.values():
        group.sort()
        slopes += [(b.value - a.value) / (b.seconds - a.seconds) * 3600 for i, a in enumerate(group) for b in group[i + 1 :]]
        variance += len(group) * (len(group) - 1) * (2 * len(group) + 5) / 18
    slopes.sort()
    middle = statistics.median(slopes) if slopes else 0.0
    spread = 1.96 * math.sqrt(variance)
    low, high = round((len(slopes) - spread) / 2) - 1, round((len(slopes) + spread) / 2)
    return Slope(
        round(middle, 2),
        round(slopes[low], 2) if low >= 0 else -math.inf,
        round(slopes[high], 2) if high < len(slopes) else math.inf,
        len(readings),
    )
