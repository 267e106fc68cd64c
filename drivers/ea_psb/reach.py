"""How far the set values reach: the ratings, narrowed by the adjustment limits that a person has set at the supply."""

from dataclasses import dataclass

from cycler.contract.errors import DeviceFault
from drivers.ea_psb.scale import FULL_SCALE, Ratings, real

_HALF = 0.5  # a limit set as 4.1 V lies up to half a count beside it: 4.1 V may be ordered all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The lowest and highest count of each set value."""

    voltage: tuple[int, int] = (0, FULL_SCALE)
    source_current: tuple[int, int] = (0, FULL_SCALE)
    sink_current: tuple[int, int] = (0, FULL_SCALE)
    source_power: tuple[int, int] = (0, FULL_SCALE)
    sink_power: tuple[int, int] = (0, FULL_SCALE)

    @classmethod
    def within_ratings(
        cls,
        *,
        voltage: tuple[int, int],
        source_current: tuple[int, int],
        sink_current: tuple[int, int],
        source_power: tuple[int, int],
        sink_power: tuple[int, int],
    ) -> "Reach":
        """From the limits as they stand at the device. It allows 102 %; we stay within the ratings."""

        def capped(span: tuple[int, int]) -> tuple[int, int]:
            return span[0], min(span[1], FULL_SCALE)

        return cls(
            voltage=capped(voltage),
            source_current=capped(source_current),
            sink_current=capped(sink_current),
            source_power=capped(source_power),
            sink_power=capped(sink_power),
        )

    def voltage_v(self, ratings: Ratings) -> tuple[float, float]:
        """From where to where."""
        low, high = self.voltage
        return lowest(low, ratings.voltage_v), highest(high, ratings.voltage_v)

    def source_current_a(self, ratings: Ratings) -> float:
        """At most."""
        return highest(self.source_current[1], ratings.current_a)

    def sink_current_a(self, ratings: Ratings) -> float:
        """At most."""
        return highest(self.sink_current[1], ratings.current_a)

    def power_w(self, ratings: Ratings) -> float:
        """At most, whichever way it flows."""
        return highest(min(self.source_power[1], self.sink_power[1]), ratings.power_w)

    def check_closable(self, device: str, ratings: Ratings) -> None:
        """Raises `DeviceFault` where a current cannot be set to 0: that is how a direction is held closed."""
        for what, command, (low, _) in (
            ("source", "CURR", self.source_current),
            ("sink", "SINK:CURR", self.sink_current),
        ):
            if low > 0:
                least_a = real(low, ratings.current_a)
                raise DeviceFault(
                    device,
                    f"its adjustment limits keep its {what} current at {least_a:.3g} A at least, so it could not be "
                    f'closed. To mend it, set the limit to 0, over SCPI with "{command}:LIM:LOW 0"',
                )

    def nearest_voltage(self, raw: int) -> int:
        """The count that may be set and lies nearest."""
        low, high = self.voltage
        return min(max(raw, low), high)


def lowest(raw: int, rated: float) -> float:
    """The lowest value that may have been meant by a limit of this count."""
    return max(0.0, real(raw - _HALF, rated))


def highest(raw: int, rated: float) -> float:
    """The highest one, within the rating."""
    return min(real(raw + _HALF, rated), rated)
