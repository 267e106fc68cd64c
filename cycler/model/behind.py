"""Whom a device's failure concerns."""

from cycler.model.rack import Bay, Position, PositionId, Rack


def positions_behind(rack: Rack, device: str) -> tuple[PositionId, ...]:
    """Those that it drives, measures or surrounds, whose bay it switches, or that an interlock on it guards."""
    guarded = {
        name for interlock in rack.interlocks if interlock.input.device == device for name in interlock.positions
    }
    return tuple(
        name
        for bay in rack.bays.values()
        for name, position in bay.positions.items()
        if name in guarded or device in _around(bay) or device in _at(position)
    )


def _around(bay: Bay) -> set[str]:
    switches = (bay.contactor, bay.press, *(each.output for each in bay.outputs.values()))
    chamber = set() if bay.chamber is None else {bay.chamber}
    return chamber | {ref.device for ref in switches if ref is not None}


def _at(position: Position) -> set[str]:
    return {ref.device for ref in (*position.channels, position.temperature, position.meter) if ref is not None}
