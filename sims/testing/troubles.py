"""The troubles of a simulated device, as the contract suite wants them."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sims.faults import POSSIBLE, POSSIBLE_ON_WIRE, Faults

TELLABLE = frozenset({"exception", "no-reply", "not-applied", "refused", "restart", "two-masters"})
"""The faults of devices that a driver can tell, by the device's answers or by reading back."""


class Troubles(Mapping[str, Callable[[], Callable[[], None]]]):
    """By name, what begins each of them and gives what ends it."""

    def __init__(self, faults: Faults, *, driver: str, scheme: str) -> None:
        self.driver = driver
        self.scheme = scheme
        self._faults = faults
        self._names = sorted(POSSIBLE_ON_WIRE.get(scheme, frozenset()) | (POSSIBLE.get(driver, frozenset()) & TELLABLE))

    def __getitem__(self, fault: str) -> Callable[[], Callable[[], None]]:
        return partial(self._begin, fault)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _begin(self, fault: str) -> Callable[[], None]:
        return partial(self._faults.end, self._faults.begin(fault))


def troubles(faults: Faults, *, driver: str, scheme: str) -> Troubles:
    """For a subject's `troubles`. `scheme` is that of the device's resource."""
    return Troubles(faults, driver=driver, scheme=scheme)
