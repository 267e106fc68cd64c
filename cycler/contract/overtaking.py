"""How make_safe overtakes an order that is already on its way."""

from collections.abc import Collection, Iterable

from cycler.contract.sweep import ChannelId


class OffGenerations:
    """Counts the offs of each channel. An order is valid only as long as no off has come since it began.

    A driver has one of these: `make_safe` raises it before its first await, `apply` takes a mark before its first
    write and asks before each further one. So an emergency stop is never undone by an order that was half sent.
    """

    def __init__(self, channels: Iterable[ChannelId]) -> None:
        self._generation = dict.fromkeys(channels, 0)

    def raise_for(self, channels: Collection[ChannelId]) -> None:
        """An off came: every order of these channels that has begun is void."""
        for channel in channels:
            self._generation[channel] += 1

    def mark(self, channel: ChannelId) -> int:
        """What `overtook` compares with later."""
        return self._generation[channel]

    def overtook(self, channel: ChannelId, mark: int) -> bool:
        """Whether an off came since `mark`."""
        return self._generation[channel] != mark
