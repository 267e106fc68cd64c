"""Whether nothing flows in a bay: proven by readings, and never concluded from an order or from silence."""

from collections.abc import Mapping

from cycler.contract.sweep import ChannelId
from cycler.control.device_loop import DeviceLoop
from cycler.model.rack import Bay


def current_possible(bay: Bay, loops: Mapping[str, DeviceLoop]) -> str | None:
    """Why a current may flow there; None where every output has just been read as open, and none carries any."""
    for name, position in bay.positions.items():
        for ref in position.channels:
            loop = loops[ref.device]
            if loop.last is None or loop.patience.is_over:
                return f"{ref.device} does not tell whether {name} carries a current"
            if ChannelId(ref.channel) in loop.capabilities.channels and loop.may_be_energised([ChannelId(ref.channel)]):
                return f"the output at {name} is not seen open and without a current"
    return None
