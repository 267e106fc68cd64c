"""A slice of what `make detect` does: one seed of the tray with every kind of defect."""

from pathlib import Path

import pytest
from expected import REASONS
from kinds import look_at_kinds

from cycler.service.recipes import recipe_named
from sims.defects import KINDS

NOT_PLANTED = {"lost-subchannel", "rotated-tray", "wrong-sensor"}
"""One takes channels in parallel, one a whole bay, and one shows only where two cells do not do the same:
see docs/simulation.md."""


def test_every_kind_of_defect_that_is_simulated_is_planted_or_said_not_to_be() -> None:
    assert set(KINDS) == (set(REASONS) - {"drift"}) | NOT_PLANTED


@pytest.mark.slow
def test_every_defect_is_rejected_for_the_right_reason_and_no_good_cell_is() -> None:
    looked = look_at_kinds(recipe_named("lco-pouch-formation", beside=Path()), seed=21)
    assert [(each.position, each.planted, each.verdict, each.codes) for each in looked if not each.is_right] == []
    assert {each.planted for each in looked} == {*REASONS, None}
