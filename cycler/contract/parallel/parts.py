"""Which channels of which devices stand in parallel on one cell, and by what name they go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cycler.contract.sweep import ChannelId

IMBALANCE_RATIO = 0.1
"""How far apart the currents of sub-channels may be, of the larger one, where nobody says otherwise."""


class Part(NamedTuple):
    """A sub-channel: a channel as its own device names it."""

    device: str
    channel: ChannelId

    def __str__(self) -> str:
        return f"{self.device}/{self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """The sub-channels on one cell."""

    parts: tuple[Part, ...]
    imbalance_ratio: float = IMBALANCE_RATIO

    @property
    def name(self) -> ChannelId:
        """`psb-01/1+psb-02/1`, the joined channel's own."""
        return ChannelId("+".join(map(str, self.parts)))


def device_name(devices: Sequence[str]) -> str:
    """What joined devices go by together."""
    return "+".join(devices)
