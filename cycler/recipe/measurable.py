"""Whether a meter can measure what a step asks for."""

from math import isclose

from cycler.contract.capabilities import MeterRange
from cycler.model.rack import ChannelRef
from cycler.recipe.plan import MeterRule
from cycler.recipe.words import in_words

FREQUENCY_RATIO = 1e-3
"""So far apart two frequencies may be and are the same."""


def why_not_measurable(rule: MeterRule, meter: ChannelRef, able: MeterRange) -> str | None:
    """None where it is. `meter`: the channel that is on the cell."""
    if meter.channel not in able.channels:
        return f"{meter.device} has no channel {meter.channel}"
    if rule.kind not in able.kinds:
        return f"{meter.device} measures no {rule.kind}"
    if rule.kind == "acir" and not isclose(rule.frequency_hz, able.frequency_hz, rel_tol=FREQUENCY_RATIO):
        has, wanted = in_words(able.frequency_hz, "Hz"), in_words(rule.frequency_hz, "Hz")
        return f"{meter.device} measures at {has}, not at {wanted}"
    return None
