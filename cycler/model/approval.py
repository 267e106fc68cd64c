"""What people have decided about a recipe: whether it may run on real cells, and for how long."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Decision = Literal["approved", "trial", "withdrawn"]

ReleasedAs = Literal["approved", "trial", "abuse", "simulated"]
"""By what right a recipe ran: `abuse` is signed by two people for one cell. On simulated cells it needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One decision about one content: who, what, when, why. `login` is the account from which it was given.

    A recipe is named by its name, its version and the hash of its canonical text, which is kept as it was decided on.
    `expires_utc` is a trial's, and None otherwise.
    """

    decision: Decision
    recipe_name: str
    recipe_version: str
    recipe_hash: str
    recipe_text: str
    author: str
    by: str
    login: str
    utc: datetime
    reason: str
    expires_utc: datetime | None = None
