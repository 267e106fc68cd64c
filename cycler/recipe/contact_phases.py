"""A contact check as phases: relay open, a micro-charge of half of the bay, then of the other half.

While one group is charged the other rests, so that what answers there shows crossed sense wires; neighbours belong to
different groups. Every stretch that the bay has to see whole ends in a held phase: verdicts are given, and groups
change over, when all cells have got there.
"""

from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.plan import ContactGroup, PlanPhase

MICRO_C_RATE = 1 / 50
MICRO_CHARGE_RATIO_MAX = 0.0002  # of the rated capacity
MICRO_RISE_V_MAX = 0.5  # the device holds the cell below its voltage at rest and this

PASSIVE_S = 2.0
MICRO_S = 30.0  # 36 s would be all that is allowed: the host may end it some seconds late
DECAY_S = 10.0

CONTACT_TIMEOUT_S = 1800.0
"""For all of it: two new presses of the contacts and slow starts of the device included."""


def contact_phases(cell_type: CellType, envelope: Envelope, group: ContactGroup) -> tuple[PlanPhase, ...]:
    """For a position of this group."""
    passive = PlanPhase(direction="rest", duration_s=PASSIVE_S, held=True, stage="passive")
    idle = PlanPhase(direction="rest", duration_s=MICRO_S + DECAY_S, held=True, stage="idle")
    charged = (
        PlanPhase(
            direction="charge",
            current_a=cell_type.rated_capacity_ah * MICRO_C_RATE,
            voltage_v=envelope.voltage_v_max,
            above_rest_v=MICRO_RISE_V_MAX,
            duration_s=MICRO_S,
            stage="charge",
        ),
        PlanPhase(direction="rest", duration_s=DECAY_S, held=True, stage="decay"),
    )
    return (passive, *charged, idle) if group == 0 else (passive, idle, *charged)


def contact_envelope(cell_type: CellType, envelope: Envelope) -> Envelope:
    """Nothing in a contact check may move more than twice what it is allowed to, nor take anything out of the cell."""
    return Envelope(
        voltage_v_min=envelope.voltage_v_min,
        voltage_v_max=envelope.voltage_v_max,
        trip_margin_v=envelope.trip_margin_v,
        charge_current_a=envelope.charge_current_a,
        discharge_current_a=0.0,
        charge_temperature_degc=envelope.charge_temperature_degc,
        discharge_temperature_degc=envelope.discharge_temperature_degc,
        capacity_ah=min(envelope.capacity_ah, 2 * MICRO_CHARGE_RATIO_MAX * cell_type.rated_capacity_ah),
    )
