"""What is known of the supply only once it has answered: nothing is written for it."""

import math
from dataclasses import dataclass
from functools import cached_property

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.errors import ProtocolError
from cycler.contract.plugin import DeviceSettings
from drivers.ea_psb.commissioning import Kept
from drivers.ea_psb.declaration import Accuracy, accuracy_of, capabilities_of
from drivers.ea_psb.instrument import Instrument, Pace
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings

RATING_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)  # without slots, for its cached property
class Connected:
    """Of one device. `kept` is empty until it has been commissioned."""

    identity: Identity
    ratings: Ratings
    accuracy: Accuracy
    reach: Reach
    kept: Kept
    pace: Pace

    @cached_property
    def capabilities(self) -> Capabilities:
        """As the contract has them."""
        return capabilities_of(self.ratings, self.reach, self.accuracy, self.kept, self.pace)


async def read_connected(instrument: Instrument, settings: DeviceSettings) -> Connected:
    """Raises `ProtocolError` for another kind of device, and for ratings that the rack file contradicts."""
    identity = await instrument.identify()
    ratings = await instrument.ratings()
    _check_ratings(settings, ratings)
    return Connected(
        identity=identity,
        ratings=ratings,
        accuracy=accuracy_of(settings, ratings),
        reach=await instrument.reach(),
        kept=Kept(),
        pace=instrument.pace,
    )


def _check_ratings(settings: DeviceSettings, ratings: Ratings) -> None:
    for what, found, expected in (
        ("voltage_v", ratings.voltage_v, settings.rated_voltage_v),
        ("current_a", ratings.current_a, settings.rated_current_a),
        ("power_w", ratings.power_w, settings.rated_power_w),
    ):
        if not (math.isfinite(found) and found > 0.0):
            raise ProtocolError(settings.device, f"it gives a rated {what} of {found:g}")
        if expected is not None and abs(found - expected) > RATING_TOLERANCE * expected:
            raise ProtocolError(settings.device, f"its rated {what} is {found:g}, the rack file says {expected:g}")
