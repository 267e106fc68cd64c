"""Every promise of the contract suite can fail: a driver with the mistake that it is about does not pass."""

from collections.abc import Mapping, Sequence
from typing import Any

import broken_drivers as broken
import broken_meters
import pytest
from contract_subjects import (
    AutonomousSubject,
    PsbSubject,
    SimChamberSubject,
    SimCyclerSubject,
    SimIoSubject,
    SimTemperatureSubject,
)
from hioki_subject import HiokiSubject

from cycler.contract.errors import DeviceError
from cycler.contract.suite.chamber import ChamberContract
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.digital_io import DigitalIoContract
from cycler.contract.suite.meter import MeterContract
from cycler.contract.suite.temperature import TemperatureContract

Table = Mapping[str, Sequence[tuple[Any, ...]]]
"""For each promise the mistakes that it has to notice: the wrapper, what it is wrapped around, the test's arguments."""

CYCLERS: Table = {
    "test_an_off_at_any_transaction_of_an_order_leaves_the_output_open_for_good": [
        (broken.TriesAgainWhenOvertaken, SimCyclerSubject, False),
        (broken.TriesAgainWhenOvertaken, PsbSubject, True),
        (broken.LetsOffsQueue, SimCyclerSubject, False),
        (broken.LetsOffsQueue, PsbSubject, False),
    ],
    "test_an_off_of_one_channel_leaves_the_others_of_its_batch_alone": [
        (broken.StopsTheWholeDevice, SimCyclerSubject),
    ],
    "test_off_is_legal_in_every_state_and_as_often_as_you_like": [
        (broken.WantsToBeCommissionedBeforeAnOff, SimCyclerSubject),
    ],
    "test_an_off_needs_no_connect_before_it": [
        (broken.WantsToBeConnectedBeforeAnOff, SimCyclerSubject),
    ],
    "test_an_off_that_the_device_does_not_carry_out_is_an_error": [
        (broken.BelievesItsOffs, SimCyclerSubject),
    ],
    "test_an_off_that_nobody_answers_is_an_error": [
        (broken.BelievesItsOffs, PsbSubject),
    ],
    "test_an_order_that_is_cancelled_on_its_way_can_still_be_switched_off": [
        (broken.KeepsItsLockWhenCancelled, SimCyclerSubject),
    ],
    "test_after_every_write_the_output_is_inside_the_old_and_the_new_envelope": [
        (broken.WritesTheCurrentBeforeTheVoltage, SimCyclerSubject, "charge to stronger discharge"),
        (broken.WritesTheCurrentBeforeTheVoltage, SimCyclerSubject, "more current below a lower voltage"),
        (broken.WritesTheCurrentBeforeTheVoltage, PsbSubject, "discharge to stronger charge"),
        (broken.SwitchesOnBeforeItSetsTheCurrent, SimCyclerSubject, "start of a charge"),
        (broken.SwitchesOnBeforeItSetsTheCurrent, PsbSubject, "start of a discharge"),
    ],
    "test_after_every_write_about_a_resistance_the_output_is_inside_the_old_and_the_new_envelope": [
        (broken.LeavesTheResistanceBeforeItIsHeldAgain, SimCyclerSubject, "lower resistance"),
        (broken.LeavesTheResistanceBeforeItIsHeldAgain, PsbSubject, "start of a discharge through a resistance"),
    ],
    "test_a_wire_cut_after_any_write_leaves_the_cell_inside_its_limits": [
        (broken.SwitchesOnBeforeItSetsTheCurrent, AutonomousSubject, "start of a charge"),
        (broken.CallsLostOrdersApplied, SimCyclerSubject, "more current"),
        (broken.DischargesWithoutClamp, AutonomousSubject, "start of a discharge"),
        (broken.PromisesAWatchdogThatIsOff, SimCyclerSubject, "start of a charge"),
    ],
    "test_with_a_silent_host_the_cell_never_passes_its_clamp": [
        (broken.DischargesWithoutClamp, AutonomousSubject, "discharge"),
        (broken.DischargesWithoutClamp, PsbSubject, "discharge"),
    ],
    "test_the_host_watchdog_opens_the_output_in_its_time_and_not_before": [
        (broken.PromisesAWatchdogThatIsOff, SimCyclerSubject, "charge"),
    ],
    "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error": [
        (broken.TriesForAMinute, SimCyclerSubject, "read"),
        (broken.AnswersFromMemory, SimCyclerSubject, "read"),
    ],
    "test_an_order_that_nobody_answers_ends_in_its_time_with_an_error_for_each_channel": [
        (broken.WaitsForEachChannel, SimCyclerSubject),
    ],
    "test_a_driver_whose_wire_comes_back_works_again_and_nothing_comes_on_by_itself": [
        (broken.GivesUpAfterALoss, SimCyclerSubject),
    ],
    "test_a_sweep_tells_the_truth_or_is_an_error": [
        (broken.AnswersFromMemory, SimCyclerSubject, "no-reply"),
        (broken.AnswersFromMemory, PsbSubject, "truncated"),
    ],
    "test_an_off_is_confirmed_or_an_error": [
        (broken.BelievesItsOffs, SimCyclerSubject, "no-reply"),
        (broken.BelievesItsOffs, PsbSubject, "exception"),
    ],
    "test_an_order_is_carried_out_or_an_error_and_can_be_switched_off": [
        (broken.ShowsOrdersFromTheStart, SimCyclerSubject, "not-applied"),
    ],
    "test_a_host_that_comes_finds_the_same_device_or_an_error": [
        (broken.GuessesWhoAnswers, SimCyclerSubject, "no-reply"),
    ],
    "test_a_fresh_device_is_left_as_it_is_by_connecting": [
        (broken.CommissionsOnConnect, SimCyclerSubject),
        (broken.CommissionsOnConnect, PsbSubject),
    ],
    "test_a_new_host_finds_a_running_channel_and_leaves_it_running": [
        (broken.SwitchesOffOnConnect, SimCyclerSubject),
        (broken.ResumesOnConnect, AutonomousSubject),
        (broken.InventsOrderIds, SimCyclerSubject),
        (broken.SaysThatNothingRuns, PsbSubject),
    ],
    "test_alarms_stay_set_until_they_are_acknowledged": [
        (broken.AcknowledgesOnConnect, SimCyclerSubject),
        (broken.AcknowledgesOnConnect, PsbSubject),
    ],
    "test_closing_leaves_the_device_as_it_is_and_may_be_repeated": [
        (broken.SwitchesOffOnClose, SimCyclerSubject),
    ],
    "test_commissioning_is_refused_while_an_output_is_on": [
        (broken.CommissionsWhatRuns, SimCyclerSubject),
    ],
    "test_after_the_device_restarted_everything_stays_off": [
        (broken.ResumesOnConnect, SimCyclerSubject),
        (broken.ResumesOnceItIsAcknowledged, SimCyclerSubject),
    ],
    "test_after_the_watchdog_opened_it_an_output_stays_off": [
        (broken.ResumesOnConnect, SimCyclerSubject),
    ],
    "test_a_setting_that_switches_on_by_itself_is_refused": [
        (broken.CommissionsWhateverIsSet, PsbSubject),
    ],
    "test_a_charge_charges": [
        (broken.MixesUpDirections, SimCyclerSubject),
    ],
    "test_a_discharge_discharges": [
        (broken.MixesUpDirections, PsbSubject),
    ],
    "test_a_rest_opens_the_relay": [
        (broken.RestsAtZeroCurrent, SimCyclerSubject),
    ],
    "test_what_flows_through_a_resistance_follows_the_voltage_up_to_the_current_of_the_order": [
        (broken.HoldsACurrentInstead, SimCyclerSubject),
        (broken.HoldsACurrentInstead, PsbSubject),
    ],
    "test_what_is_achieved_is_never_more_than_what_was_ordered": [
        (broken.RoundsUp, SimCyclerSubject),
    ],
    "test_an_impossible_order_is_an_error_of_its_channel_and_of_no_other": [
        (broken.RaisesForTheWholeBatch, SimCyclerSubject, "infinite current"),
        (broken.ClipsOrders, SimCyclerSubject, "voltage above the range"),
    ],
    "test_an_impossible_order_leaves_a_running_channel_inside_its_old_envelope": [
        (broken.ClipsOrders, SimCyclerSubject, "voltage above the range"),
    ],
    "test_a_channel_that_is_not_there_is_an_error_and_the_others_are_seen_to": [
        (broken.OverlooksUnknownChannels, SimCyclerSubject),
    ],
    "test_phases_follow_one_another_without_a_gap_and_the_last_one_ends_open": [
        (broken.HoldsOnlyTheFirstPhase, SimCyclerSubject),
    ],
    "test_a_sweep_has_a_row_for_each_channel_in_every_column": [
        (broken.LosesARow, SimCyclerSubject),
        (broken.StampsSweepsOfLongAgo, SimCyclerSubject),
    ],
    "test_readings_tell_the_truth": [
        (broken.TurnsTheSign, SimCyclerSubject),
        (broken.SlipsAUnit, SimCyclerSubject),
    ],
    "test_an_order_shows_only_once_it_is_executed_and_not_after_it_was_switched_off": [
        (broken.ShowsOrdersFromTheStart, PsbSubject),
        (broken.ShowsOrdersFromTheStart, SimCyclerSubject),
    ],
    "test_step_time_runs_from_the_first_current_of_the_order": [
        (broken.StartsStepTimeAtTheWrongMoment, SimCyclerSubject),
    ],
    "test_charge_counters_only_grow_and_each_in_its_own_direction": [
        (broken.CountsBothWaysInOne, AutonomousSubject),
    ],
}

THERMOMETERS: Table = {
    "test_connecting_reading_and_closing_change_nothing": [
        (broken.ClosesOnlyOnce, SimTemperatureSubject),
    ],
    "test_a_broken_sensor_shows_no_number_and_the_others_go_on": [
        (broken.ShowsAmbientForBrokenSensors, SimTemperatureSubject),
    ],
    "test_each_input_shows_its_own_sensor": [
        (broken.SwapsSensors, SimTemperatureSubject),
    ],
    "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error": [
        (broken.TriesForAMinute, SimTemperatureSubject, "read"),
    ],
    "test_a_reading_is_right_or_an_error": [
        (broken.AnswersFromMemory, SimTemperatureSubject, "no-reply"),
    ],
}

CHAMBERS: Table = {
    "test_connecting_reading_and_closing_change_nothing": [
        (broken.ClosesOnlyOnce, SimChamberSubject),
        (broken.ResetsTheTargetOnConnect, SimChamberSubject),
    ],
    "test_the_air_follows_a_target_which_is_read_back": [
        (broken.SetsTheTargetInFahrenheit, SimChamberSubject),
    ],
    "test_a_rate_is_kept_or_refused": [
        (broken.ForgetsTheRate, SimChamberSubject),
    ],
    "test_a_target_outside_its_range_is_an_error_and_nothing_moves": [
        (broken.ClipsTargets, SimChamberSubject),
    ],
    "test_its_own_limits_are_what_was_ordered": [
        (broken.SwapsItsLimits, SimChamberSubject),
    ],
    "test_an_order_that_the_chamber_does_not_carry_out_is_an_error": [
        (broken.BelievesItsChamber, SimChamberSubject),
    ],
    "test_an_off_at_any_transaction_of_a_target_leaves_the_chamber_off_for_good": [
        (broken.SetsTheTargetAgainAfterAnOff, SimChamberSubject),
        (broken.BelievesItsChamber, SimChamberSubject),
    ],
    "test_off_is_legal_in_every_state_and_ends_the_heating": [
        (broken.GoesBackToItsTargetWhenSafe, SimChamberSubject),
    ],
    "test_a_new_host_finds_the_target_as_it_was_left_and_the_chamber_running": [
        (broken.StopsTheChamberOnClose, SimChamberSubject),
        (broken.ResetsTheTargetOnConnect, SimChamberSubject),
    ],
    "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error": [
        (broken.TriesForAMinute, SimChamberSubject, "read"),
    ],
    "test_a_reading_is_right_or_an_error": [
        (broken.AnswersFromMemory, SimChamberSubject, "no-reply"),
    ],
    "test_a_target_is_set_or_an_error": [
        (broken.BelievesItsChamber, SimChamberSubject, "exception"),
    ],
    "test_an_off_is_confirmed_or_an_error": [
        (broken.GoesBackToItsTargetWhenSafe, SimChamberSubject, "no-reply"),
    ],
}

LINES: Table = {
    "test_an_output_follows_and_is_read_back": [
        (broken.WritesEveryLine, SimIoSubject),
    ],
    "test_a_line_that_is_not_there_is_an_error_and_nothing_moves": [
        (broken.OverlooksUnknownLines, SimIoSubject),
    ],
    "test_after_the_device_restarted_every_output_is_safe_and_stays_so": [
        (broken.RestoresLinesOnConnect, SimIoSubject),
    ],
    "test_the_watchdog_makes_the_outputs_safe_in_its_time": [
        (broken.PromisesAFasterWatchdog, SimIoSubject),
    ],
    "test_an_off_at_any_transaction_of_a_write_leaves_the_outputs_safe_for_good": [
        (broken.WritesAgainAfterAnOff, SimIoSubject),
    ],
    "test_an_off_needs_no_connect_before_it": [
        (broken.WantsToBeConnectedBeforeAnOff, SimIoSubject),
    ],
    "test_an_off_that_the_device_does_not_carry_out_is_an_error": [
        (broken.BelievesItsLines, SimIoSubject),
    ],
    "test_inputs_are_what_is_driven": [
        (broken.ReadsInputsUpsideDown, SimIoSubject),
    ],
    "test_a_new_host_finds_the_outputs_as_they_were_left": [
        (broken.OpensLinesOnConnect, SimIoSubject),
    ],
    "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error": [
        (broken.TriesForAMinute, SimIoSubject, "read"),
    ],
    "test_a_reading_is_right_or_an_error": [
        (broken.AnswersFromMemory, SimIoSubject, "no-reply"),
    ],
    "test_outputs_are_as_written_or_it_is_an_error": [
        (broken.BelievesItsWrites, SimIoSubject, "no-reply"),
    ],
    "test_an_off_is_confirmed_or_an_error": [
        (broken.BelievesItsLines, SimIoSubject, "exception"),
    ],
}

METERS: Table = {
    "test_connecting_and_closing_change_nothing": [
        (broken_meters.CommissionsWhenItConnects, HiokiSubject),
    ],
    "test_each_channel_shows_its_own_cell": [
        (broken_meters.TakesMillivoltsForVolts, HiokiSubject),
    ],
    "test_only_what_was_asked_for_is_told": [
        (broken_meters.TellsEverything, HiokiSubject),
    ],
    "test_each_measurement_is_a_new_one": [
        (broken_meters.MeasuresOnce, HiokiSubject),
    ],
    "test_what_lies_over_the_range_is_no_number": [
        (broken_meters.TakesCodesForNumbers, HiokiSubject, "ocv"),
        (broken_meters.TakesCodesForNumbers, HiokiSubject, "acir"),
    ],
    "test_probes_that_touch_nothing_give_no_number": [
        (broken_meters.ShowsZeroForNothing, HiokiSubject),
    ],
    "test_between_measurements_the_cells_are_at_rest": [
        (broken_meters.LetsItRunFreely, HiokiSubject),
    ],
    "test_a_channel_or_kind_that_is_not_there_is_an_error": [
        (broken_meters.OverlooksUnknownChannels, HiokiSubject),
    ],
    "test_a_new_host_finds_the_instrument_as_it_was_left": [
        (broken_meters.CommissionsOtherwiseTheSecondTime, HiokiSubject),
    ],
    "test_after_the_device_restarted_it_measures_again_once_it_is_commissioned": [
        (broken_meters.MeasuresOnce, HiokiSubject),
    ],
    "test_a_call_that_nobody_answers_ends_in_its_time_with_an_error": [
        (broken_meters.TakesAMinuteToNotice, HiokiSubject, "measure"),
    ],
    "test_a_driver_whose_wire_comes_back_works_again": [
        (broken_meters.GivesUpForGood, HiokiSubject),
    ],
    "test_in_trouble_a_measurement_tells_the_truth_or_is_an_error": [
        (broken_meters.MeasuresFromMemoryInTrouble, HiokiSubject, "no-reply"),
    ],
}


def cases(table: Table) -> list[Any]:
    return [
        pytest.param(promise, *case[:2], case[2:], id=f"{case[0].__name__}-{case[1].__name__}-{promise}")
        for promise, broken_by in table.items()
        for case in broken_by
    ]


@pytest.mark.parametrize(("promise", "mistake", "subject_type", "arguments"), cases(CYCLERS))
def test_a_broken_cycler_is_caught(promise: str, mistake: Any, subject_type: Any, arguments: tuple[Any, ...]) -> None:
    check_is_caught(CyclerContract, promise, mistake, subject_type, arguments)


@pytest.mark.parametrize(("promise", "mistake", "subject_type", "arguments"), cases(THERMOMETERS))
def test_a_broken_thermometer_is_caught(
    promise: str, mistake: Any, subject_type: Any, arguments: tuple[Any, ...]
) -> None:
    check_is_caught(TemperatureContract, promise, mistake, subject_type, arguments)


@pytest.mark.parametrize(("promise", "mistake", "subject_type", "arguments"), cases(CHAMBERS))
def test_a_broken_chamber_is_caught(promise: str, mistake: Any, subject_type: Any, arguments: tuple[Any, ...]) -> None:
    check_is_caught(ChamberContract, promise, mistake, subject_type, arguments)


@pytest.mark.parametrize(("promise", "mistake", "subject_type", "arguments"), cases(LINES))
def test_a_broken_io_module_is_caught(
    promise: str, mistake: Any, subject_type: Any, arguments: tuple[Any, ...]
) -> None:
    check_is_caught(DigitalIoContract, promise, mistake, subject_type, arguments)


@pytest.mark.parametrize(("promise", "mistake", "subject_type", "arguments"), cases(METERS))
def test_a_broken_meter_is_caught(promise: str, mistake: Any, subject_type: Any, arguments: tuple[Any, ...]) -> None:
    check_is_caught(MeterContract, promise, mistake, subject_type, arguments)


@pytest.mark.parametrize(
    ("contract", "table"),
    [
        (CyclerContract, CYCLERS),
        (TemperatureContract, THERMOMETERS),
        (ChamberContract, CHAMBERS),
        (DigitalIoContract, LINES),
        (MeterContract, METERS),
    ],
)
def test_no_promise_is_without_a_driver_that_breaks_it(contract: type[Any], table: Table) -> None:
    assert {name for name in dir(contract) if name.startswith("test_")} == table.keys()


def check_is_caught(
    contract: type[Any], promise: str, mistake: Any, subject_type: type[Any], arguments: tuple[Any, ...]
) -> None:
    class BrokenSubject(subject_type):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.memory: dict[str, Any] = {}

        def open(self) -> Any:
            return mistake(super().open(), self.memory)

    class Contract(contract):  # type: ignore[misc]
        def make_subject(self) -> Any:
            return BrokenSubject()

    with pytest.raises((AssertionError, DeviceError, TimeoutError, pytest.fail.Exception)):
        getattr(Contract(), promise)(*arguments)
