"""The verdicts of the staged contact check on one position: no current flows before polarity has been judged.

Passive first, then, where that allows it, the answer to a micro-charge, and at the recipe's first real current the
resistance of the contacts. Volts alone do not tell a fresh cell from one that was emptied: the ledger's word decides
what is expected, the measurement only whether it is believed.
"""

from math import isnan

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Reading
from cycler.model.cell_type import CellType
from cycler.safety.contact_measures import Charged, Passive
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.contact_verdict import ContactVerdict, refused

POLARITY_V = 0.05
"""Nearer to 0 V than this nothing tells which way round a cell stands."""
FORMED_V_MIN = 2.0
"""A cell that has been charged once has more than this, or something has happened to it."""

FLOATING_V_PER_S = 0.005
"""An open sense lead drifts by 10 to 50 mV/s; a cell at rest by less than 1 mV/s."""
FULL_SCALE_RATIO = 0.98
PROBE_DELTA_V = 0.05
EMPTY_V = 0.1
"""Open terminals show some millivolts."""

FLOWS_RATIO = 0.5  # of the set current: less is an offset of the meter
CLAMP_SLACK_V = 0.005
OUTPUT_EXCESS_V = 0.1
"""Far more than leads and poor contacts take at C/50."""
METAL_OHM = 0.01
"""An inner short and the leads to it: less than this times the current, and nothing at all has answered."""

SHORT_RISE_RATIO = 0.5
DOUBLED_RISE_RATIO = 0.35
SHORT_FALL_RATIO = 0.05
"""Of the expected rise, on top of what the resistance gives back: a short of 0.1 Ohm × 50 / rated C takes more."""
FORMED_STILL_V = 0.02
"""What an earlier charge or discharge may still move a formed cell by in half a minute."""

FIRST_CURRENT_C_RATE = 0.1
CONTACT_OHM_MAX = 0.005
"""Good contacts have 0.5 to 2 mOhm, poor ones 5 to 50."""


def judge_passive(subject: ContactSubject, passive: Passive) -> ContactVerdict:
    """Relay open: polarity, the ledger's word, the windows of chemistry and recipe."""
    voltage_v = passive.voltage_v
    floating = _floats(subject.channel, passive)
    if floating:
        return refused("SENSE_OPEN", floating)
    if voltage_v < -POLARITY_V:
        return refused("REVERSED", f"{_mv(voltage_v)} with the relay open, below {_mv(-POLARITY_V)}: it is reversed")
    verdict = _filled(subject, voltage_v) if subject.filled else _formed(subject, voltage_v)
    return _expected(subject, voltage_v, verdict) if verdict.current_allowed else verdict


def judge_response(subject: ContactSubject, passive: Passive, charged: Charged, fall_v: float) -> ContactVerdict:
    """The answer to the micro-charge. `fall_v`: by how much the voltage fell in the rest after it."""
    rise_v, current_a = charged.voltage_v - passive.voltage_v, charged.current_a
    if isnan(rise_v) or isnan(fall_v):
        return refused("SENSE_OPEN", "no valid voltage was read in the micro-charge")
    slack_v = CLAMP_SLACK_V + 2 * subject.channel.voltage_accuracy_v + subject.tolerance_v
    at_clamp = charged.voltage_v >= charged.clamp_v - slack_v
    if current_a < FLOWS_RATIO * charged.set_a:
        return _no_current(passive, charged, at_clamp=at_clamp)
    with_current = f"with {_ma(current_a)} flowing"
    excess_v = charged.excess_v or 0.0
    excess_v_max = OUTPUT_EXCESS_V + 2 * subject.channel.voltage_accuracy_v
    if excess_v > excess_v_max:
        output_v = charged.voltage_v + excess_v
        text = f"the output is at {output_v:.3f} V {with_current}, the sense at {charged.voltage_v:.3f} V"
        return refused("SENSE_OPEN", f"{text}: its lead is open")
    if at_clamp and charged.excess_v is not None and excess_v >= -excess_v_max:
        text = f"output and sense are both at {charged.voltage_v:.3f} V, the clamp, {with_current}"
        return refused("WRONG_CHEMISTRY", f"{text}: it rises too far for {subject.cell_type.name}")
    if at_clamp:
        text = f"{charged.voltage_v:.3f} V, the clamp, {with_current}: the sense does not follow the cell"
        return refused("SENSE_OPEN", text)
    short = _short(subject, passive, charged, fall_v)
    if short is not None:
        return short
    answered = (
        f"{passive.voltage_v:.3f} V, {_mv(rise_v)} up by {1e3 * charged.moved_ah:.3f} mAh, then {_mv(fall_v)} down"
    )
    if subject.filled and abs(passive.voltage_v) <= POLARITY_V and not subject.polarity_proven:
        return refused("POLARITY_UNPROVEN", f"{answered}: nothing proves which way round it stands")
    return ContactVerdict(code=None, text=f"{_seen(subject)}: {answered}", current_allowed=True)


def judge_empty(channel: ChannelRange, passive: Passive) -> ContactVerdict:
    """A position that is empty on purpose."""
    if abs(passive.voltage_v) <= EMPTY_V + channel.voltage_accuracy_v or _floats(channel, passive):
        return ContactVerdict(code=None, text="empty, as it should be", current_allowed=False)
    return refused("UNEXPECTED_CELL", f"{passive.voltage_v:.3f} V where the tray has no cell")


def judge_first_current(
    cell_type: CellType, reading: Reading, *, voltage_accuracy_v: float, sub_channels: int = 1
) -> ContactVerdict | None:
    """The contacts by output minus sense, at a real current; None where this reading cannot tell.

    They are bad where they are worse than the limit by more than both voltages can be off. Of several `sub_channels`
    each carries its share through contacts of its own, and those that take most are judged.
    """
    contact_ohm = contact_resistance_ohm(cell_type, reading, sub_channels=sub_channels)
    if contact_ohm is None:
        return None
    limit_ohm = contact_limit_ohm(cell_type)
    through_a = abs(reading.current_a) / sub_channels
    text = f"contacts of {1e3 * contact_ohm:.2f} mOhm at {through_a:.3g} A"
    if contact_ohm > limit_ohm + 2 * voltage_accuracy_v / through_a:
        return refused("BAD_CONTACT", f"{text}, more than {1e3 * limit_ohm:.2f} mOhm")
    return ContactVerdict(code=None, text=text, current_allowed=True)


def contact_resistance_ohm(cell_type: CellType, reading: Reading, *, sub_channels: int = 1) -> float | None:
    """From output to sense, both leads; None without an output voltage, or below C/10, where noise wins."""
    least_a = FIRST_CURRENT_C_RATE * cell_type.rated_capacity_ah
    if reading.output_v is None or not abs(reading.current_a) >= least_a:
        return None
    contact_ohm = (reading.output_v - reading.voltage_v) * sub_channels / reading.current_a
    return None if isnan(contact_ohm) else contact_ohm


def contact_limit_ohm(cell_type: CellType) -> float:
    """What the contacts of a channel or sub-channel may have, both leads together."""
    band = cell_type.limits.get("contact_ohm")
    return CONTACT_OHM_MAX if band is None or band.high is None else band.high


def _floats(channel: ChannelRange, passive: Passive) -> str:
    """Why no cell can be behind this reading; empty where one can."""
    voltage_v = passive.voltage_v
    if isnan(voltage_v):
        return "no valid voltage was read"
    if voltage_v >= FULL_SCALE_RATIO * channel.voltage_v_max:
        return f"{voltage_v:.3f} V is the end of the channel's scale: its sense lead is open"
    # Two readings a second apart differ by noise alone.
    if abs(passive.drift_v_per_s) > FLOATING_V_PER_S + 3 * channel.voltage_noise_v + channel.voltage_resolution_v:
        return f"{voltage_v:.3f} V drifts by {_mv(passive.drift_v_per_s)}/s with the relay open: its sense lead is open"
    delta_v = 0.0 if passive.probe_v is None else abs(passive.probe_v - voltage_v)
    if delta_v > PROBE_DELTA_V + 2 * channel.voltage_accuracy_v:
        return f"the sense shows {voltage_v:.3f} V, the probe {passive.probe_v:.3f} V: a sense lead is open"
    return ""


def _filled(subject: ContactSubject, voltage_v: float) -> ContactVerdict:
    if voltage_v >= FORMED_V_MIN:
        text = f"{voltage_v:.3f} V is a formed voltage, where the ledger says filled"
        return refused("STATE_CONTRADICTED", text)
    if voltage_v > POLARITY_V or subject.polarity_proven:
        return ContactVerdict(code=None, text=f"{_seen(subject)}: {voltage_v:.3f} V", current_allowed=True)
    text = f"{_mv(voltage_v)} is too near to 0 V to tell which way round the cell stands"
    return ContactVerdict(code="POLARITY_UNPROVEN", text=text, current_allowed=True)


def _formed(subject: ContactSubject, voltage_v: float) -> ContactVerdict:
    envelope, name = subject.cell_type.envelopes["formed"], subject.cell_type.name
    if voltage_v <= POLARITY_V:
        text = f"{_mv(voltage_v)} with the relay open: no cell, an open sense lead, or a dead short"
        unseen = "" if subject.bipolar_sense else "; one that is reversed would look the same to this channel"
        return refused("ABSENT", f"{text}{unseen}")
    low_v, high_v = envelope.voltage_v_min - envelope.trip_margin_v, envelope.voltage_v_max + envelope.trip_margin_v
    if subject.state == "precharged":  # it may never have come up to the formed envelope
        low_v = FORMED_V_MIN
    if voltage_v < min(FORMED_V_MIN, low_v):
        text = f"{voltage_v:.3f} V, where the ledger says {subject.state}: it has been emptied, or is another cell"
        return refused("STATE_CONTRADICTED", text)
    if not low_v <= voltage_v <= high_v:
        text = f"{voltage_v:.3f} V, while {name} has {low_v:.2f} to {high_v:.2f} V: it is another kind, or spoilt"
        return refused("WRONG_CHEMISTRY", text)
    return ContactVerdict(code=None, text=f"{_seen(subject)}: {voltage_v:.3f} V", current_allowed=True)


def _expected(subject: ContactSubject, voltage_v: float, verdict: ContactVerdict) -> ContactVerdict:
    """The recipe's own window and the cell's last voltage, where they are given."""
    rule = subject.rule
    if rule.ocv_v is not None and not rule.ocv_v[0] <= voltage_v <= rule.ocv_v[1]:
        text = f"{voltage_v:.3f} V, while the recipe expects {rule.ocv_v[0]:g} to {rule.ocv_v[1]:g} V"
        return refused("WRONG_CHEMISTRY", text)
    if rule.continuity_v is not None and subject.last_ocv_v is not None:
        moved_v = voltage_v - subject.last_ocv_v
        if abs(moved_v) > rule.continuity_v:
            text = f"{voltage_v:.3f} V, {_mv(moved_v)} from the cell's last {subject.last_ocv_v:.3f} V"
            return refused("STATE_CONTRADICTED", f"{text}: more than {_mv(rule.continuity_v)}")
    return verdict


def _no_current(passive: Passive, charged: Charged, *, at_clamp: bool) -> ContactVerdict:
    flowed = f"{_ma(charged.current_a)} of {_ma(charged.set_a)} flowed"
    if at_clamp:
        return refused("ABSENT", f"{charged.voltage_v:.3f} V, the clamp, while {flowed}: no cell is there")
    if abs(passive.voltage_v) <= POLARITY_V:
        return refused("ABSENT", f"{_mv(charged.voltage_v)} while {flowed}: nothing is there")
    return refused("BAD_CONTACT", f"{charged.voltage_v:.3f} V at the sense, but {flowed}: a power contact is open")


def _short(subject: ContactSubject, passive: Passive, charged: Charged, fall_v: float) -> ContactVerdict | None:
    """Whether less has stayed of the charge than state and cell type predict."""
    rise_v, current_a = charged.voltage_v - passive.voltage_v, charged.current_a
    moved = f"{1e3 * charged.moved_ah:.3f} mAh"
    if not subject.filled:  # its resistance near empty is many times that of its pulses: only what is left tells
        left_v = rise_v - fall_v
        if left_v < -FORMED_STILL_V - subject.tolerance_v:
            return refused("SHORT", f"{_mv(-left_v)} below where it stood before {moved} went in")
        return None
    expected_v = subject.expected_rise_v(passive.voltage_v, charged)
    if rise_v < max(subject.tolerance_v, current_a * METAL_OHM):
        text = f"{_mv(rise_v)} by {moved}: not even the resistance of a short has answered"
        return refused("SENSE_OPEN", text)
    back_v = current_a * subject.resistance_ohm + subject.tolerance_v
    fall_v_max = back_v + SHORT_FALL_RATIO * expected_v
    if rise_v < SHORT_RISE_RATIO * expected_v:
        text = f"{_mv(rise_v)} up by {moved}, while {_mv(expected_v)} are expected of a filled cell"
        if rise_v >= DOUBLED_RISE_RATIO * expected_v and fall_v <= fall_v_max:  # a short would go on taking it
            return refused("STATE_CONTRADICTED", f"{text}, but they stay: a larger cell, or two side by side")
        return refused("SHORT", text)
    if fall_v > fall_v_max:
        return refused("SHORT", f"{_mv(fall_v)} down after {moved}, while a good cell loses {_mv(fall_v_max)} at most")
    return None


def _seen(subject: ContactSubject) -> str:
    return "fresh unformed" if subject.filled else subject.state


def _mv(voltage_v: float) -> str:
    return f"{1e3 * voltage_v:.3g} mV" if abs(voltage_v) < 0.9995 else f"{voltage_v:.3f} V"


def _ma(current_a: float) -> str:
    return f"{1e3 * current_a:.3g} mA"
