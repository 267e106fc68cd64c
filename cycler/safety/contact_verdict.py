"""What a contact check says of a position, and what the operator does about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["none", "re-press", "go-without", "prove-polarity", "quarantine", "engineer", "maintenance"]

ACTIONS: Mapping[str, tuple[Action, ...]] = {
    "ABSENT": ("re-press", "go-without"),
    "REVERSED": ("quarantine",),
    "POLARITY_UNPROVEN": ("prove-polarity", "go-without"),
    "SHORT": ("quarantine",),
    "SENSE_OPEN": ("re-press", "go-without"),
    "CROSSED_SENSE": ("maintenance",),
    "BAD_CONTACT": ("re-press", "maintenance"),
    "UNEXPECTED_CELL": ("engineer",),
    "STATE_CONTRADICTED": ("engineer",),
    "WRONG_CHEMISTRY": ("engineer",),
    "WRONG_TRAY": ("engineer",),
}
"""What the operator does, in this order: the next where the one before has not helped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactVerdict:
    """`code` is a reason code, None where all is as expected. `text` is the evidence, with its numbers.

    `current_allowed`: the next stage may go on. An unproven polarity allows the micro-charge and nothing after it.
    """

    code: str | None
    text: str
    current_allowed: bool

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the operator does, the first thing first."""
        return ("none",) if self.code is None else ACTIONS[self.code]


def refused(code: str, text: str) -> ContactVerdict:
    """No current, for this reason."""
    return ContactVerdict(code=code, text=text, current_allowed=False)
