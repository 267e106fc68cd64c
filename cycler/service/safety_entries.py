"""What a rack file says of the time after a trip: the reset at the rack, the watch, and what counts as one cause."""

from typing import Literal, cast

from cycler.model.rack import WATCH_S_MIN, CommonCause, Interlock, ResetInput
from cycler.recipe.fields import Fields, as_text
from cycler.service.rack_reading import RackReading

TRIPS_MAX = 1024
WITHIN_S_MAX = 3600.0


def read_reset(fields: Fields, reading: RackReading, interlocks: tuple[Interlock, ...]) -> ResetInput | None:
    """`reset: {input: io-01/DI7, active: high}`, a key switch."""
    entry = fields.mapping("reset", owner="`reset`")
    if entry is None:
        return None
    reference = entry.take("input", lambda node: reading.digital_input(as_text(node)), required=True)
    active = entry.word("active", ("low", "high"), required=True)
    entry.close()
    if reference is None or active is None:
        return None
    for interlock in interlocks:
        if interlock.input == reference:
            message = f"{reference} is the input of the interlock {interlock.interlock}"
            entry.refuse("input", "twice", message, "give the key switch an input of its own")
    return ResetInput(input=reference, active=cast(Literal["low", "high"], active))


def read_watch_s(fields: Fields) -> float:
    """`post_trip_watch: 2 h`. It only lengthens what practice asks for."""
    asked = fields.quantity("post_trip_watch", "s")
    if asked is None:
        return WATCH_S_MIN
    if asked.number < WATCH_S_MIN:
        message = f"post_trip_watch: {asked} is shorter than {WATCH_S_MIN / 3600:g} h"
        fields.refuse("post_trip_watch", "range", message, "cells have caught fire that long after they were off")
        return WATCH_S_MIN
    return asked.number


def read_common_cause(fields: Fields) -> CommonCause:
    """`common_cause: {trips: 3, within: 60 s}`."""
    usual = CommonCause()
    entry = fields.mapping("common_cause", owner="`common_cause`")
    if entry is None:
        return usual
    trips = entry.count("trips", low=2, high=TRIPS_MAX)
    within = entry.quantity("within", "s")
    entry.close()
    if within is not None and not 0 < within.number <= WITHIN_S_MAX:
        entry.refuse("within", "range", f"within: {within} is not above 0 and at most {WITHIN_S_MAX / 3600:g} h")
    return CommonCause(
        trips=usual.trips if trips is None else trips, within_s=usual.within_s if within is None else within.number
    )
