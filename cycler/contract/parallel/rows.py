"""What devices say of their channels at one instant, with those that are joined as one row each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import fsum, isnan, nan
from statistics import fmean
from typing import Final

from cycler.contract.sweep import ChannelId, Regulation, Sweep

NAS_PER_AH: Final = 3.6e12  # charges are added up as whole nanoampere-seconds: no order of them changes the sum

_REGULATIONS: Final[tuple[Regulation, ...]] = ("unknown", "starting", "limited", "cv", "cc", "cp", "cr", "off")
"""Whichever comes first is what all do together: where one holds the voltage, the current of all is not the set one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of one device's sweep."""

    device: str
    row: int


Rows = Mapping[ChannelId, tuple[Row, ...]]
"""Of each channel, joined or alone, the rows of its sub-channels."""


def joined_sweep(
    sweeps: Mapping[str, Sweep], rows: Rows, *, tolerance_v: float, opened: Mapping[ChannelId, str] | None = None
) -> Sweep:
    """`tolerance_v`: voltages of one cell that are not further apart than this agree.

    Who is in `opened` executes no order any more.
    """
    taken_s = fmean(sweep.taken_s for sweep in sweeps.values())
    first = next(iter(sweeps.values()))
    times_s = [sweep.taken_s for sweep in sweeps.values()]
    groups = [[(sweeps[each.device], each.row) for each in group] for group in rows.values()]
    cells = [_Cell.of(group, tolerance_v) for group in groups]
    oldest = [min(sweep.order_id[row] for sweep, row in group) for group in groups]
    in_force = [
        [(sweep, row) for sweep, row in group if sweep.order_id[row] == order_id]
        for group, order_id in zip(groups, oldest, strict=True)
    ]
    phases = [min(sweep.phase[row] for sweep, row in group) for group in in_force]
    times = [_least(sweep.step_time_s[row] for sweep, row in group) for group in in_force]
    for place, channel in enumerate(rows):
        if opened and channel in opened:
            oldest[place], phases[place], times[place] = 0, 0, nan
    return Sweep(
        taken_s=taken_s,
        taken_utc=first.taken_utc + timedelta(seconds=taken_s - first.taken_s),
        skew_s=max(times_s) - min(times_s) + max(sweep.skew_s for sweep in sweeps.values()),
        channels=tuple(rows),
        voltage_v=[cell.voltage_v for cell in cells],
        current_a=[cell.current_a for cell in cells],
        regulation=[joined_regulation(sweep.regulation[row] for sweep, row in group) for group in groups],
        order_id=oldest,
        phase=phases,
        step_time_s=times,
        temperature_degc=_hottest(groups),
        output_v=_outputs(groups, cells),
        probe_v=[cell.probe_v for cell in cells],
        charged_ah=_total(groups, lambda sweep: sweep.charged_ah),
        discharged_ah=_total(groups, lambda sweep: sweep.discharged_ah),
        opened=opened or None,
    )


def joined_regulation(regulations: Iterable[Regulation]) -> Regulation:
    """The relay of a joined channel is open when all of them are."""
    return min(regulations, key=_REGULATIONS.index)


_Group = Sequence[tuple[Sweep, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """`probe_v`: what the sense wires show that are furthest from `voltage_v`; NaN where there is only one pair."""

    voltage_v: float
    current_a: float
    probe_v: float

    @classmethod
    def of(cls, group: _Group, tolerance_v: float) -> "_Cell":
        """Sense wires that disagree: the cell is believed to be nearest to the end to which it is driven; at rest to be
        what shows most, for wires that are off show nothing."""
        voltages_v = [sweep.voltage_v[row] for sweep, row in group]
        current_a = fsum(sweep.current_a[row] for sweep, row in group)
        if any(map(isnan, voltages_v)):
            voltage_v = nan
        elif max(voltages_v) - min(voltages_v) <= tolerance_v:
            voltage_v = fmean(voltages_v)
        else:
            is_driven = any(sweep.regulation[row] != "off" for sweep, row in group)
            voltage_v = min(voltages_v) if is_driven and current_a < 0.0 else max(voltages_v)
        others_v = [sweep.probe_v[row] for sweep, row in group if sweep.probe_v is not None]
        if len(group) > 1:
            others_v += voltages_v
        probe_v = max(others_v, key=lambda other_v: _distance_v(other_v, voltage_v), default=nan)
        return cls(voltage_v=voltage_v, current_a=current_a, probe_v=probe_v)


def _distance_v(one_v: float, other_v: float) -> float:
    """NaN is near to everything."""
    return 0.0 if isnan(one_v) or isnan(other_v) else abs(one_v - other_v)


def _least(values: Iterable[float]) -> float:
    """NaN, if any is."""
    known = list(values)
    return nan if any(map(isnan, known)) else min(known)


def _outputs(groups: Sequence[_Group], cells: Sequence[_Cell]) -> list[float] | None:
    """With the contacts in front of the cell that take most; None where a device does not measure its outputs."""
    found = []
    for group, cell in zip(groups, cells, strict=True):
        drops_v = []
        for sweep, row in group:
            if sweep.output_v is None:
                return None
            drops_v.append(sweep.output_v[row] - sweep.voltage_v[row])
        found.append(nan if any(map(isnan, drops_v)) else cell.voltage_v + max(drops_v, key=abs))
    return found


def _hottest(groups: Sequence[_Group]) -> list[float] | None:
    """None where no device measures temperatures."""
    if all(sweep.temperature_degc is None for group in groups for sweep, _ in group):
        return None
    felt = [[s.temperature_degc[row] for s, row in group if s.temperature_degc is not None] for group in groups]
    return [max((degc for degc in each if not isnan(degc)), default=nan) for each in felt]


def _total(groups: Sequence[_Group], column_of: Callable[[Sweep], Sequence[float] | None]) -> list[float] | None:
    """What the sub-channels' own counters have counted; None where one has none."""
    totals_ah = []
    for group in groups:
        counted_ah = []
        for sweep, row in group:
            column = column_of(sweep)
            if column is None:
                return None
            counted_ah.append(column[row])
        lost = any(map(isnan, counted_ah))
        totals_ah.append(nan if lost else sum(round(ah * NAS_PER_AH) for ah in counted_ah) / NAS_PER_AH)
    return totals_ah
