"""A slice of `make crash`."""

import pytest
from crash import trials


@pytest.mark.system
def test_a_recording_process_that_is_killed_loses_nothing_and_another_goes_on_with_its_store() -> None:
    found = dict(trials(2, random_trials=3, per_point=1, every=6))
    assert len(found) > 6
    assert all(tally.trials == tally.resumed for tally in found.values())
    assert {(tally.lost, tally.double) for tally in found.values()} == {(0, 0)}
