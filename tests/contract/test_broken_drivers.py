"""Every promise of the contract suite can fail: a driver with the mistake that it is about does not pass."""

from typing import Any

import broken_drivers as broken
import pytest
from broken_drivers import Wrapped
from contract_subjects import AutonomousSubject, PsbSubject, SimCyclerSubject, SimIoSubject, SimTemperatureSubject

from cycler.contract.errors import DeviceError
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.digital_io import DigitalIoContract
from cycler.contract.suite.temperature import TemperatureContract

OFF = "test_an_off_at_any_transaction_of_an_order_leaves_the_output_open_for_good"
WRITE = "test_after_every_write_the_output_is_inside_the_old_and_the_new_envelope"
CUT = "test_a_wire_cut_after_any_write_leaves_the_cell_inside_its_limits"
CLAMP = "test_with_a_silent_host_the_cell_never_passes_its_clamp"
WATCHDOG = "test_the_host_watchdog_opens_the_output_in_its_time_and_not_before"
UNANSWERED = "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error"
IMPOSSIBLE = "test_an_impossible_order_is_an_error_of_its_channel_and_of_no_other"
RESTARTED = "test_after_the_device_restarted_everything_stays_off"
TRUTH = "test_readings_tell_the_truth"

CYCLERS: list[tuple[type[Wrapped], type[Any], str, tuple[Any, ...]]] = [
    (broken.TriesAgainWhenOvertaken, SimCyclerSubject, OFF, (False,)),
    (broken.TriesAgainWhenOvertaken, PsbSubject, OFF, (True,)),
    (broken.LetsOffsQueue, SimCyclerSubject, OFF, (False,)),
    (broken.LetsOffsQueue, PsbSubject, OFF, (False,)),
    (broken.StopsTheWholeDevice, SimCyclerSubject, "test_an_off_of_one_channel_leaves_the_others_of_its_batch_alone", ()),
    (broken.WantsToBeCommissionedBeforeAnOff, SimCyclerSubject, "test_off_is_legal_in_every_state_and_as_often_as_you_like", ()),
    (broken.BelievesItsOffs, SimCyclerSubject, "test_an_off_that_the_device_does_not_carry_out_is_an_error", ()),
    (broken.BelievesItsOffs, PsbSubject, "test_an_off_that_nobody_answers_is_an_error", ()),
    (broken.KeepsItsLockWhenCancelled, SimCyclerSubject, "test_an_order_that_is_cancelled_on_its_way_can_still_be_switched_off", ()),
    (broken.WritesTheCurrentBeforeTheVoltage, SimCyclerSubject, WRITE, ("charge to stronger discharge",)),
    (broken.WritesTheCurrentBeforeTheVoltage, SimCyclerSubject, WRITE, ("more current below a lower voltage",)),
    (broken.WritesTheCurrentBeforeTheVoltage, PsbSubject, WRITE, ("discharge to stronger charge",)),
    (broken.SwitchesOnBeforeItSetsTheCurrent, SimCyclerSubject, WRITE, ("start of a charge",)),
    (broken.SwitchesOnBeforeItSetsTheCurrent, PsbSubject, WRITE, ("start of a discharge",)),
    (broken.SwitchesOnBeforeItSetsTheCurrent, AutonomousSubject, CUT, ("start of a charge",)),
    (broken.CallsLostOrdersApplied, SimCyclerSubject, CUT, ("more current",)),
    (broken.DischargesWithoutClamp, AutonomousSubject, CUT, ("start of a discharge",)),
    (broken.PromisesAWatchdogThatIsOff, SimCyclerSubject, CUT, ("start of a charge",)),
    (broken.DischargesWithoutClamp, AutonomousSubject, CLAMP, ("discharge",)),
    (broken.DischargesWithoutClamp, PsbSubject, CLAMP, ("discharge",)),
    (broken.PromisesAWatchdogThatIsOff, SimCyclerSubject, WATCHDOG, ("charge",)),
    (broken.TriesForAMinute, SimCyclerSubject, UNANSWERED, ("read",)),
    (broken.AnswersFromMemory, SimCyclerSubject, UNANSWERED, ("read",)),
    (broken.WaitsForEachChannel, SimCyclerSubject, "test_an_order_that_nobody_answers_ends_in_its_time_with_an_error_for_each_channel", ()),
    (broken.GivesUpAfterALoss, SimCyclerSubject, "test_a_driver_whose_wire_comes_back_works_again_and_nothing_comes_on_by_itself", ()),
    (broken.CommissionsOnConnect, SimCyclerSubject, "test_a_fresh_device_is_left_as_it_is_by_connecting", ()),
    (broken.CommissionsOnConnect, PsbSubject, "test_a_fresh_device_is_left_as_it_is_by_connecting", ()),
    (broken.SwitchesOffOnConnect, SimCyclerSubject, "test_a_new_host_finds_a_running_channel_and_leaves_it_running", ()),
    (broken.ResumesOnConnect, AutonomousSubject, "test_a_new_host_finds_a_running_channel_and_leaves_it_running", ()),
    (broken.InventsOrderIds, SimCyclerSubject, "test_a_new_host_finds_a_running_channel_and_leaves_it_running", ()),
    (broken.SaysThatNothingRuns, PsbSubject, "test_a_new_host_finds_a_running_channel_and_leaves_it_running", ()),
    (broken.AcknowledgesOnConnect, SimCyclerSubject, "test_alarms_stay_set_until_they_are_acknowledged", ()),
    (broken.AcknowledgesOnConnect, PsbSubject, "test_alarms_stay_set_until_they_are_acknowledged", ()),
    (broken.SwitchesOffOnClose, SimCyclerSubject, "test_closing_leaves_the_device_as_it_is_and_may_be_repeated", ()),
    (broken.CommissionsWhatRuns, SimCyclerSubject, "test_commissioning_is_refused_while_an_output_is_on", ()),
    (broken.ResumesOnConnect, SimCyclerSubject, RESTARTED, ()),
    (broken.ResumesOnceItIsAcknowledged, SimCyclerSubject, RESTARTED, ()),
    (broken.ResumesOnConnect, SimCyclerSubject, "test_after_the_watchdog_opened_it_an_output_stays_off", ()),
    (broken.CommissionsWhateverIsSet, PsbSubject, "test_a_setting_that_switches_on_by_itself_is_refused", ()),
    (broken.MixesUpDirections, SimCyclerSubject, "test_a_charge_charges", ()),
    (broken.MixesUpDirections, PsbSubject, "test_a_discharge_discharges", ()),
    (broken.RestsAtZeroCurrent, SimCyclerSubject, "test_a_rest_opens_the_relay", ()),
    (broken.RoundsUp, SimCyclerSubject, "test_what_is_achieved_is_never_more_than_what_was_ordered", ()),
    (broken.RaisesForTheWholeBatch, SimCyclerSubject, IMPOSSIBLE, ("infinite current",)),
    (broken.ClipsOrders, SimCyclerSubject, IMPOSSIBLE, ("voltage above the range",)),
    (broken.ClipsOrders, SimCyclerSubject, "test_an_impossible_order_leaves_a_running_channel_inside_its_old_envelope", ("voltage above the range",)),
    (broken.OverlooksUnknownChannels, SimCyclerSubject, "test_a_channel_that_is_not_there_is_an_error_and_the_others_are_seen_to", ()),
    (broken.HoldsOnlyTheFirstPhase, SimCyclerSubject, "test_phases_follow_one_another_without_a_gap_and_the_last_one_ends_open", ()),
    (broken.LosesARow, SimCyclerSubject, "test_a_sweep_has_a_row_for_each_channel_in_every_column", ()),
    (broken.StampsSweepsOfLongAgo, SimCyclerSubject, "test_a_sweep_has_a_row_for_each_channel_in_every_column", ()),
    (broken.TurnsTheSign, SimCyclerSubject, TRUTH, ()),
    (broken.SlipsAUnit, SimCyclerSubject, TRUTH, ()),
    (broken.ShowsOrdersFromTheStart, PsbSubject, "test_an_order_shows_only_once_it_is_executed_and_not_after_it_was_switched_off", ()),
    (broken.ShowsOrdersFromTheStart, SimCyclerSubject, "test_an_order_shows_only_once_it_is_executed_and_not_after_it_was_switched_off", ()),
    (broken.StartsStepTimeAtTheWrongMoment, SimCyclerSubject, "test_step_time_runs_from_the_first_current_of_the_order", ()),
    (broken.CountsBothWaysInOne, AutonomousSubject, "test_charge_counters_only_grow_and_each_in_its_own_direction", ()),
]  # fmt: skip

THERMOMETERS: list[tuple[type[Wrapped], str, tuple[Any, ...]]] = [
    (broken.ShowsAmbientForBrokenSensors, "test_a_broken_sensor_shows_no_number_and_the_others_go_on", ()),
    (broken.SwapsSensors, "test_each_input_shows_its_own_sensor", ()),
    (broken.TriesForAMinute, UNANSWERED, ("read",)),
]

LINES: list[tuple[type[Wrapped], str, tuple[Any, ...]]] = [
    (broken.WritesAgainAfterAnOff, "test_an_off_at_any_transaction_of_a_write_leaves_the_outputs_safe_for_good", ()),
    (broken.BelievesItsLines, "test_an_off_that_the_device_does_not_carry_out_is_an_error", ()),
    (broken.ReadsInputsUpsideDown, "test_inputs_are_what_is_driven", ()),
    (broken.OpensLinesOnConnect, "test_a_new_host_finds_the_outputs_as_they_were_left", ()),
    (broken.TriesForAMinute, UNANSWERED, ("read",)),
]


def check_is_caught(
    contract: type[Any], subject_type: type[Any], mistake: type[Wrapped], promise: str, arguments: tuple[Any, ...]
) -> None:
    class BrokenSubject(subject_type):  # type: ignore[misc]
        def open(self) -> Any:
            self.memory: dict[str, Any] = getattr(self, "memory", {})
            return mistake(super().open(), self.memory)

    class Contract(contract):  # type: ignore[misc]
        def make_subject(self) -> Any:
            return BrokenSubject()

    with pytest.raises((AssertionError, DeviceError, TimeoutError, pytest.fail.Exception)):
        getattr(Contract(), promise)(*arguments)


@pytest.mark.parametrize(
    ("mistake", "subject_type", "promise", "arguments"),
    CYCLERS,
    ids=[f"{mistake.__name__}-{subject.__name__}-{promise}" for mistake, subject, promise, _ in CYCLERS],
)
def test_a_broken_cycler_is_caught(
    mistake: type[Wrapped], subject_type: type[Any], promise: str, arguments: tuple[Any, ...]
) -> None:
    check_is_caught(CyclerContract, subject_type, mistake, promise, arguments)


@pytest.mark.parametrize(("mistake", "promise", "arguments"), THERMOMETERS, ids=lambda value: str(value)[:80])
def test_a_broken_thermometer_is_caught(mistake: type[Wrapped], promise: str, arguments: tuple[Any, ...]) -> None:
    check_is_caught(TemperatureContract, SimTemperatureSubject, mistake, promise, arguments)


@pytest.mark.parametrize(("mistake", "promise", "arguments"), LINES, ids=lambda value: str(value)[:80])
def test_a_broken_line_is_caught(mistake: type[Wrapped], promise: str, arguments: tuple[Any, ...]) -> None:
    check_is_caught(DigitalIoContract, SimIoSubject, mistake, promise, arguments)


def test_no_promise_of_the_cyclers_contract_is_without_a_driver_that_breaks_it() -> None:
    promises = {name for name in dir(CyclerContract) if name.startswith("test_")}
    assert promises == {promise for _, _, promise, _ in CYCLERS}
