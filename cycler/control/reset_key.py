"""The key switch at the rack: somebody stands there. Only turning it counts, and only for a short time."""

import asyncio
from collections.abc import Mapping
from math import inf

from cycler.model.rack import ResetInput
from cycler.safety.interlocks import InputWatch

TURNED_S = 60.0  # from the turn of the key to the reset that it stands for


class ResetKey:
    """A key that is held, or jammed, resets nothing: what counts is the edge, confirmed like any other input."""

    def __init__(self, switch: ResetInput | None) -> None:
        """`switch`: None where the rack has none, and nothing can be reset that needs one."""
        self.switch = switch
        self._watch = InputWatch()
        self._was_at_rest = False  # since it can be read
        self._turned_s = -inf

    def heard(self, device: str, taken_s: float, inputs: Mapping[str, bool] | None) -> bool:
        """A reading of an I/O device; None where it was lost. Whether the next one is wanted soon."""
        if self.switch is None or self.switch.input.device != device:
            return False
        if inputs is None:
            self._watch, self._was_at_rest = InputWatch(), False  # what it does unseen is no turn
            return False
        active = inputs.get(self.switch.input.channel) is (self.switch.active == "high")
        if self._watch.take(taken_s, active=active) and self._watch.is_tripped and self._was_at_rest:
            self._turned_s = taken_s
        self._was_at_rest = self._was_at_rest or not active
        return self._watch.is_settling

    @property
    def obstacle(self) -> str | None:
        """Why nobody counts as standing at the rack now; None where the key has just been turned."""
        if self.switch is None:
            return "the rack has no reset switch (`reset:` in its file), and this is reset nowhere else"
        if asyncio.get_running_loop().time() - self._turned_s > TURNED_S:
            return f"the reset at the rack ({self.switch.input}) has not been turned in the last {TURNED_S:g} s"
        return None

    def use(self) -> None:
        """One turn is one reset."""
        self._turned_s = -inf
