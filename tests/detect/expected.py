"""The reasons that are right for each kind of defect, where it has its default size."""

from collections.abc import Mapping
from typing import Final

from cycler.model.alarm import AlarmCode

HOT: Final = frozenset(
    f"TRIP_{alarm.value}" for alarm in (AlarmCode.OVER_TEMPERATURE, AlarmCode.TEMPERATURE_TO_TRAY_MEAN)
)
STOPPED: Final = frozenset({"STATE_CONTRADICTED", "WRONG_CHEMISTRY", "FORM_LOW", "SELF_DISCHARGE", "SHORT"})
"""Two cells at one position take twice the charge: how that shows first depends on the recipe."""

REASONS: Final[Mapping[str, frozenset[str]]] = {
    "missing": frozenset({"ABSENT"}),
    "reversed": frozenset({"REVERSED"}),
    "unexpected": frozenset({"UNEXPECTED_CELL"}),
    "open-sense": frozenset({"SENSE_OPEN"}),
    "drifting-sense": frozenset({"SENSE_OPEN"}),
    "crossed-sense": frozenset({"CROSSED_SENSE"}),
    "bad-contact": frozenset({"BAD_CONTACT"}),
    "open-contact": frozenset({"BAD_CONTACT"}),
    "hard-short": frozenset({"SHORT", *HOT}),
    "micro-short": frozenset({"SELF_DISCHARGE"}),
    "low-capacity": frozenset({"LOW_CAPACITY"}),
    "high-resistance": frozenset({"HIGH_DCIR"}),
    "gassing": frozenset({"LOW_EFFICIENCY"}),
    "double-loaded": STOPPED,
    "wrong-chemistry": frozenset({"WRONG_CHEMISTRY"}),
    "extra-heat": frozenset({"TEMPERATURE", *HOT}),
    "drift": frozenset({"TEMPERATURE"}),
}
