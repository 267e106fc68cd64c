"""The thermal chamber itself: its air, its walls, its conditioning, and what can happen to them. No driver, no cells.

Magnitudes are engineering ranges for chambers with a load: 1 to 3 K/min up and 1 to 2 K/min down, a dead time of 5 to
20 s, 60 to 180 s for the air and 600 to 1200 s for the walls, 0.3 K of control. Time is whatever `advance` is given.
"""

import math
from collections import deque

STEP_S = 5.0
DEAD_S = 10.0  # from a demand to conditioned air
AIR_S = 120.0
WALL_S = 900.0
INSULATION_S = 4 * 3600.0  # the walls towards the room
DOOR_S = 60.0
HEATING_K_PER_S = 2.0 / 60.0
COOLING_K_PER_S = 1.5 / 60.0
AIR_J_PER_K = 20e3  # air, shelves and trays: what the cells' heat warms


class Chamber:
    """Runs at the ambient to begin with. It errs by `sensor_error_k`: the air is that much colder than it believes."""

    def __init__(self, *, ambient_degc: float, sensor_error_k: float = 0.0) -> None:
        self.target_degc = ambient_degc
        self.rate_k_per_min: float | None = None  # how fast the set value itself moves; None: as fast as it goes
        self.limits_degc = (-math.inf, math.inf)  # outside, it stops heating or cooling on its own account
        self.running = True
        self.door_open = False
        self.cooling_failed = False
        self.sensor_broken = False
        self._ambient_degc = ambient_degc
        self._sensor_error_k = sensor_error_k
        self._drift_k_per_s = self._drifted_k = 0.0
        self._now_s = 0.0
        self._air_degc = self._wall_degc = self._reference_degc = ambient_degc
        self._demands = deque([0.0] * round(DEAD_S / STEP_S))
        self._heat_w: dict[object, float] = {}

    def air_degc(self, now_s: float) -> float:
        """The truth, at most `STEP_S` ago."""
        self.advance(now_s)
        return self._air_degc

    def shown_degc(self, now_s: float) -> float:
        """What its own sensor measures; NaN where that is broken."""
        self.advance(now_s)
        return math.nan if self.sensor_broken else self._measured_degc

    def warm(self, source: object, heat_w: float) -> None:
        """What this source gives to the air from now on."""
        self._heat_w[source] = heat_w

    def hold(self, target_degc: float, rate_k_per_min: float | None) -> None:
        """A new set value; it starts from what is measured now."""
        if not self.running or rate_k_per_min is not None:
            self._reference_degc = self._measured_degc
        self.target_degc, self.rate_k_per_min = target_degc, rate_k_per_min
        self.running = True

    def set_fault(self, fault: str, *, present: bool, drift_k_per_s: float = 0.0) -> bool:
        """Whether it is one of its own: an open door, a failed compressor, a sensor that is broken or drifts."""
        match fault:
            case "door-open":
                self.door_open = present
            case "chamber-fail":
                self.cooling_failed = present
            case "sensor-break":
                self.sensor_broken = present
            case "drift":
                self._drift_k_per_s, self._drifted_k = drift_k_per_s if present else 0.0, 0.0
            case _:
                return False
        return True

    def advance(self, now_s: float) -> None:
        """Bring it to a later instant, in whole steps."""
        while self._now_s + STEP_S <= now_s:
            self._now_s += STEP_S
            self._step()

    def _step(self) -> None:
        self._drifted_k += self._drift_k_per_s * STEP_S
        exchange_k_per_s = (self._wall_degc - self._air_degc) / AIR_S + sum(self._heat_w.values()) / AIR_J_PER_K
        self._demands.append(self._demand_k_per_s())
        conditioning_k_per_s = self._demands.popleft() - exchange_k_per_s
        if self.cooling_failed or self._measured_degc < self.limits_degc[0]:
            conditioning_k_per_s = max(conditioning_k_per_s, 0.0)
        if self._measured_degc > self.limits_degc[1]:
            conditioning_k_per_s = min(conditioning_k_per_s, 0.0)
        if not self.running or self.sensor_broken:
            conditioning_k_per_s = 0.0
        door_k_per_s = (self._ambient_degc - self._air_degc) / DOOR_S if self.door_open else 0.0
        insulation_k_per_s = (self._ambient_degc - self._wall_degc) / INSULATION_S
        wall_k_per_s = (self._air_degc - self._wall_degc) / WALL_S + insulation_k_per_s
        self._air_degc += STEP_S * (exchange_k_per_s + conditioning_k_per_s + door_k_per_s)
        self._wall_degc += STEP_S * wall_k_per_s

    def _demand_k_per_s(self) -> float:
        """How fast the air is to change, walls and load aside: their share is made up for as it is measured."""
        most_k = math.inf if self.rate_k_per_min is None else self.rate_k_per_min / 60.0 * STEP_S
        self._reference_degc += min(max(self.target_degc - self._reference_degc, -most_k), most_k)
        demand = (self._reference_degc - self._measured_degc) / AIR_S
        return min(max(demand, -COOLING_K_PER_S), HEATING_K_PER_S)

    @property
    def _measured_degc(self) -> float:
        return self._air_degc + self._sensor_error_k + self._drifted_k
