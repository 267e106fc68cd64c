"""When what an interlock input says counts."""

from cycler.safety.catalogue import SWITCHED


class InputWatch:
    """One input, reading after reading: fresh samples and time confirm a change; what is not read counts for the trip.

    As long as it was never read it is not healthy.
    """

    def __init__(self, debounce_s: float | None = None) -> None:
        """`debounce_s`: None where the rack file asks for none of its own."""
        self._debounce_s = SWITCHED.for_s if debounce_s is None else debounce_s
        self.is_tripped = False
        self.is_healthy = False  # by the last reading, confirmed or not
        self._samples = 0  # against the confirmed state, in a row …
        self._since_s = 0.0  # … and the time of the first

    @property
    def is_settling(self) -> bool:
        """A change waits for its confirmation."""
        return self._samples > 0

    def take(self, taken_s: float, *, active: bool | None) -> bool:
        """Whether it has just tripped or cleared. `active`: None where the reading was lost."""
        if active is None:
            if not self.is_tripped and not self.is_settling:
                return False  # one lost reply of a healthy input; a longer silence is a lost device
            active = True
        self.is_healthy = not active
        if active == self.is_tripped:
            self._samples = 0
            return False
        if not self._samples:
            self._since_s = taken_s
        self._samples += 1
        if self._samples < SWITCHED.samples or taken_s - self._since_s < self._debounce_s:
            return False
        self.is_tripped = active
        self._samples = 0
        return True

    def lose(self) -> None:
        """Its device does not answer any more."""
        self.is_healthy = False
        self._samples = 0
