"""What two people sign before a cell is abused on purpose."""

from dataclasses import dataclass
from datetime import datetime

from cycler.model.cell import CellId


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One person's word for one abuse test of one cell. `login` is the account from which it was given.

    A recipe is named by its name, its version and the hash of its canonical text. Until `expires_utc` the test may
    begin, once another person has signed as well.
    """

    recipe_name: str
    recipe_version: str
    recipe_hash: str
    cell_id: CellId
    by: str
    login: str
    utc: datetime
    reason: str
    expires_utc: datetime
