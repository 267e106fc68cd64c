"""A filled cell before a contact check, and what it makes of its micro-charge."""

from pathlib import Path

from recipe_texts import CHANNEL

from cycler.recipe.lookup import find_cell_type
from cycler.recipe.plan import ContactRule
from cycler.safety.contact_measures import Charged, Passive
from cycler.safety.contact_subject import ContactSubject


def fresh() -> tuple[ContactSubject, Passive]:
    """A filled cell of 5 Ah at 0.24 V."""
    subject = ContactSubject(
        cell_type=find_cell_type("nmc811-21700", beside=Path("/nonexistent")),
        state="filled",
        channel=CHANNEL,
        rule=ContactRule(),
        bipolar_sense=True,
    )
    return subject, Passive(voltage_v=0.24)


def answer(subject: ContactSubject, passive: Passive, *, rise_ratio: float, current_ratio: float = 1.0) -> Charged:
    """After 30 s at C/50, at so much of the expected rise."""
    set_a = subject.cell_type.rated_capacity_ah / 50
    current_a = current_ratio * set_a
    moved_ah = current_a * 30 / 3600
    still = Charged(set_a=set_a, clamp_v=9.0, current_a=current_a, moved_ah=moved_ah, voltage_v=passive.voltage_v)
    rise_v = rise_ratio * subject.expected_rise_v(passive.voltage_v, still)
    return Charged(
        set_a=set_a, clamp_v=9.0, current_a=current_a, moved_ah=moved_ah, voltage_v=passive.voltage_v + rise_v
    )
