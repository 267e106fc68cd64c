"""Finds temperature sensors that do not follow their cells: they are stuck though the module answers, or elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

from cycler.control.channel_controller import ChannelController
from cycler.model.rack import PositionId
from cycler.safety.frozen import MODULE_C_RATE, module_is_frozen, moved_k_min, sensor_is_frozen

LOOK_S = 60.0

_Group = tuple[str, int]  # cells of one bay that are in the same executed step


class _Shown:
    """What the sensors of a group show at one time."""

    def __init__(self, degc: Mapping[PositionId, float]) -> None:
        self.degc = degc
        self._low_degc, self._high_degc = min(degc.values()), max(degc.values())

    def moved_k_max(self, then: "_Shown") -> float:
        """None of them has moved farther since, one way or the other."""
        return max(self._high_degc - then._low_degc, then._high_degc - self._low_degc)


@dataclass(frozen=True, slots=True)
class _Since:
    """What a sensor began to show, in which step, and what those in the same step showed then."""

    degc: float
    group: _Group
    others: _Shown


class StillSensors:
    """Of one module. `look` is due with every reading that is taken at `due_s` or later."""

    def __init__(self, accuracy_k: float) -> None:
        self.due_s = -inf
        self._accuracy_k = accuracy_k
        self._since: dict[PositionId, _Since] = {}
        self._loaded: dict[PositionId, float] = {}  # what the sensors on cells under a large current show …
        self._loaded_s = 0.0  # … and since when none of them has moved

    def look(self, taken_s: float, controllers: Sequence[ChannelController]) -> list[tuple[ChannelController, str]]:
        """The cells whose sensor is frozen, and what says so."""
        self.due_s = taken_s + LOOK_S
        running = [each for each in controllers if each.machine.over is None and not isnan(each.temperature_degc)]
        return self._beside_others(running) or self._all_of_them(taken_s, running)

    def _beside_others(self, running: Sequence[ChannelController]) -> list[tuple[ChannelController, str]]:
        degc_of: defaultdict[_Group, dict[PositionId, float]] = defaultdict(dict)
        for each in running:
            degc_of[_group(each)][each.position] = each.temperature_degc
        shown = {group: _Shown(degc) for group, degc in degc_of.items()}
        found = []
        frozen: dict[int, bool] = {}  # it is the same for all that have stood still since one time
        for each in running:
            group, degc = _group(each), each.temperature_degc
            since = self._since.get(each.position)
            if since is None or since.degc != degc or since.group != group:
                self._since[each.position] = _Since(degc, group, shown[group])
                continue
            then = since.others
            if id(then) not in frozen:
                frozen[id(then)] = self._is_frozen(then, shown[group])
            if frozen[id(then)]:
                text = f"frozen value: {degc:.1f} degC, while the cells beside it have moved in the same step;"
                text += " the sensor is stuck, or sits on another cell or on none"
                found.append((each, text))
        return found

    def _is_frozen(self, then: _Shown, now: _Shown) -> bool:
        """Of the sensors that show the same now as then."""
        if now.moved_k_max(then) < moved_k_min(self._accuracy_k):
            return False
        moved_k = [degc - then.degc[other] for other, degc in now.degc.items() if other in then.degc]
        moved_k.remove(0.0)  # its own
        return sensor_is_frozen(moved_k, accuracy_k=self._accuracy_k)

    def _all_of_them(self, taken_s: float, running: Sequence[ChannelController]) -> list[tuple[ChannelController, str]]:
        loaded = {each.position: each for each in running if _is_loaded(each)}
        shown = {position: each.temperature_degc for position, each in loaded.items()}
        if shown != self._loaded:
            self._loaded, self._loaded_s = shown, taken_s
        still_s = taken_s - self._loaded_s
        if not module_is_frozen(list(shown.values()), still_s=still_s):
            return []
        text = f"frozen value: none of {len(shown)} sensors has moved for {still_s / 60:.0f} min under current"
        return [(each, text) for each in loaded.values()]


def _group(controller: ChannelController) -> _Group:
    return controller.position.partition("/")[0], controller.machine.step_count


def _is_loaded(controller: ChannelController) -> bool:
    machine = controller.machine
    return abs(machine.current_a) >= MODULE_C_RATE * machine.plan.cell_type.rated_capacity_ah
