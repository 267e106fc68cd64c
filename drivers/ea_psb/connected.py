"""What is known of the supply only once it has answered: read over Modbus, nothing written."""

import math
from dataclasses import dataclass
from functools import cached_property

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.errors import ProtocolError
from cycler.contract.plugin import DeviceSettings
from drivers.ea_psb import registers as reg
from drivers.ea_psb.commissioning import Kept
from drivers.ea_psb.declaration import Accuracy, accuracy_of, capabilities_of
from drivers.ea_psb.reach import Reach
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority

RATING_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)  # without slots, for its cached property
class Connected:
    """Of one device. `kept` is empty until it has been commissioned."""

    identity: Identity
    ratings: reg.Ratings
    accuracy: Accuracy
    reach: Reach
    kept: Kept

    @cached_property
    def capabilities(self) -> Capabilities:
        """As the contract has them."""
        return capabilities_of(self.ratings, self.reach, self.accuracy, self.kept)


async def read_connected(link: ModbusLink, settings: DeviceSettings) -> Connected:
    """Raises `ProtocolError` for another kind of device, and for ratings that the rack file contradicts."""
    (device_type,) = await link.read(reg.DEVICE_TYPE, Priority.ORDER)
    model = reg.text(device_type)
    if not model.upper().startswith("PSB"):
        raise ProtocolError(settings.device, f"register 1 says {model!r}, expected a PSB or PSBE")
    (maker,) = await link.read(reg.MAKER, Priority.ORDER)
    (serial,) = await link.read(reg.SERIAL, Priority.ORDER)
    (firmware,) = await link.read(reg.FIRMWARE, Priority.ORDER)
    voltage_v, current_a, power_w = await link.read(reg.RATINGS, Priority.ORDER)
    ratings = reg.Ratings(voltage_v=voltage_v, current_a=current_a, power_w=power_w)
    _check_ratings(settings, ratings)
    return Connected(
        identity=Identity(maker=reg.text(maker), model=model, serial=reg.text(serial), firmware=reg.text(firmware)),
        ratings=ratings,
        accuracy=accuracy_of(settings, ratings),
        reach=await read_reach(link),
        kept=Kept(),
    )


async def read_reach(link: ModbusLink) -> Reach:
    """The adjustment limits as they stand now: a person may change them at the front panel."""
    return Reach.of(await link.read(reg.ADJUSTMENT_LIMITS, Priority.ORDER))


def _check_ratings(settings: DeviceSettings, ratings: reg.Ratings) -> None:
    for what, found, expected in (
        ("voltage_v", ratings.voltage_v, settings.rated_voltage_v),
        ("current_a", ratings.current_a, settings.rated_current_a),
        ("power_w", ratings.power_w, settings.rated_power_w),
    ):
        if not (math.isfinite(found) and found > 0.0):
            raise ProtocolError(settings.device, f"registers 121-126 give a rated {what} of {found:g}")
        if expected is not None and abs(found - expected) > RATING_TOLERANCE * expected:
            raise ProtocolError(settings.device, f"its rated {what} is {found:g}, the rack file says {expected:g}")
