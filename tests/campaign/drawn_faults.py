"""A swarm of faults at random: each seed enables some kinds only, and lets these strike hard and often.

Where every kind strikes in every run, what needs ten quiet minutes before it never happens.
"""

import math
from collections.abc import Sequence
from random import Random

from cycler.contract.world import SimulatedDevice
from cycler.model.rack import Rack
from cycler.model.world import Defect, Fault
from sims.defects import KINDS
from sims.faults import CHAMBERS, POSSIBLE, POSSIBLE_ON_WIRE, WHOLE

CONTACTORS = ("stuck-closed", "stuck-open")
NUMBERS = {
    "late": ("delay_s", 0.05, 3.0),
    "off-ignored": ("times", 1, 6),
    "not-applied": ("times", 1, 4),
    "pressure-loss": ("over_s", 10.0, 1800.0),
}
DEFECTS = tuple(sorted(set(KINDS) - {"unexpected", "rotated-tray", "wrong-chemistry", "lost-subchannel"}))
SHORTEST_S = 0.05


def drawn_faults(
    random: Random, rack: Rack, devices: Sequence[SimulatedDevice], *, lasts_s: float
) -> tuple[Fault, ...]:
    """Of devices and of the PC, within the time that the recipes take."""
    share, many = random.choice((0.1, 0.3, 0.6)), random.choice((0.05, 0.2, 0.2, 1.0))
    enabled: dict[str, bool] = {}
    faults = []
    for device in devices:
        known = POSSIBLE.get(device.sort, frozenset()) | POSSIBLE_ON_WIRE.get(device.resource.scheme, frozenset())
        for kind in sorted(known):
            if enabled.setdefault(kind, random.random() < share):
                faults += [
                    fault
                    for _ in range(_poisson(random, many))
                    if (fault := _fault(random, rack, device, kind, lasts_s=lasts_s)) is not None
                ]
    if random.random() < 0.1:
        step_s = random.choice((-3600.0, 3600.0, 0.5, -40.0))
        # Not in the first minutes, so that the wall clock tells when the runs began.
        faults.append(
            Fault(device="", fault="clock-step", numbers={"step_s": step_s}, from_s=random.uniform(300, 3600))
        )
    return tuple(faults)


def drawn_defects(random: Random, rack: Rack, *, lasts_s: float) -> tuple[Defect, ...]:
    """Of cells, contacts and wires; half of the racks have none."""
    share = random.choice((0.0, 0.0, 0.05, 0.3))
    defects = []
    for bay in rack.bays.values():
        for position in bay.positions:
            if random.random() >= share:
                continue
            kind = random.choice(DEFECTS)
            if KINDS[kind].other and len(bay.positions) < 2:
                continue
            if len(bay.positions[position].channels) > 1 and (kind == "crossed-sense" or KINDS[kind].other):
                continue
            timed = not KINDS[kind].loaded_so and random.random() < 0.7
            numbers = {
                name: math.exp(random.uniform(math.log(number.low), math.log(number.high)))
                for name, number in KINDS[kind].numbers.items()
                if number.low > 0 and random.random() < 0.3
            }
            defects.append(
                Defect(
                    at=position,
                    defect=kind,
                    numbers=numbers,
                    from_s=random.uniform(0, lasts_s) if timed else 0.0,
                    for_s=random.uniform(1, 600) if timed and random.random() < 0.5 else None,
                )
            )
    return tuple(defects)


def _fault(random: Random, rack: Rack, device: SimulatedDevice, kind: str, *, lasts_s: float) -> Fault | None:
    """None where the rack has nothing that it could strike."""
    bays, channel = rack.bays.values(), None
    if kind == "input-active":
        inputs = [each.input.channel for each in rack.interlocks if each.input.device == device.device]
        if not inputs:
            return None
        channel = random.choice(inputs)
    elif kind in CONTACTORS:
        channel = _one_of(random, [bay.contactor.channel for bay in bays if bay.contactor is not None])
    elif kind == "pressure-loss":
        channel = _one_of(random, [bay.press.channel for bay in bays if bay.press is not None])
    elif kind not in WHOLE and device.sort not in CHAMBERS and random.random() < 0.7:
        channel = _one_of(random, list(device.channels))
    if channel is None and (kind in CONTACTORS or kind == "pressure-loss"):
        return None
    numbers = {}
    if kind in NUMBERS:
        name, low, high = NUMBERS[kind]
        value = math.exp(random.uniform(math.log(low), math.log(high)))
        numbers[name] = float(round(value)) if name == "times" else value
    longest_s = random.choice((2.0, 20.0, 600.0))
    for_s = None if random.random() < 0.1 else math.exp(random.uniform(math.log(SHORTEST_S), math.log(longest_s)))
    recurs = for_s is not None and for_s < 5.0 and random.random() < 0.3
    return Fault(
        device=device.device,
        channel=channel,
        fault=kind,
        numbers=numbers,
        from_s=random.uniform(0.0, lasts_s),
        for_s=for_s,
        rate_per_s=random.uniform(1, 12) / 3600 if recurs else 0.0,
    )


def _one_of(random: Random, names: list[str]) -> str | None:
    return random.choice(names) if names else None


def _poisson(random: Random, mean: float) -> int:
    count, product = 0, random.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * random.random()
    return count
