"""What the devices of every kind have in common: a link, a map, and whether the right device answers."""

import asyncio
import struct
from datetime import datetime, timedelta

from cycler.contract.capabilities import Identity, Watchdog
from cycler.contract.errors import DeviceFault, ProtocolError
from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.contract.register_map import MappedBit, MappedRegister, RegisterMap
from drivers.links.endpoint import SERIAL_KEYS
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.modbus_map.codec import RawCodec
from drivers.modbus_map.needs import WATCHDOG, check_map
from drivers.modbus_map.numbers import Numbers
from drivers.modbus_map.switches import Switches

SERIAL_TIMEOUT_S = 1.0  # 125 registers take 0.3 s at 9600 baud
TCP_TIMEOUT_S = 0.5
TRANSACTION_S = 0.02  # for planning
CONFIRM_S = 0.5  # within which a device shows what was written


class Mapped:
    """One device over its link."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        self.device = settings.device
        self.map = map_of(settings)
        self.link = link_to(settings)
        self._utcnow = surroundings.utcnow
        self._watchdog = self.numbers([register for register in self.map.registers if register.name == WATCHDOG])

    def numbers(self, registers: list[MappedRegister]) -> Numbers:
        """To read these registers, and to write them."""
        return Numbers(self.device, self.link, registers, self.map.word_order)

    def switches(self, bits: list[MappedBit]) -> Switches:
        """To read these bits, and to switch them."""
        return Switches(self.link, bits)

    async def identify(self) -> Identity:
        """As the map says: registers cannot be asked. Raises `ProtocolError` where one does not hold what it should."""
        for expected in self.map.expected:
            codec = RawCodec(expected.type, self.map.word_order)
            layout = struct.Struct(f">{codec.layout}")
            block = Block(expected.address, layout, table="holding" if expected.function == 3 else "input")
            (unpacked,) = await self.link.read(block, Priority.ORDER)
            found = codec.raw(unpacked)
            if found != expected.value:
                detail = (
                    f"register {expected.address} holds {found:g}, a {self.map.device} has {expected.value:g} there"
                )
                raise ProtocolError(self.device, detail)
        return Identity(maker="", model=self.map.device, serial="", firmware="")

    async def arm_watchdog(self) -> Watchdog | None:
        """Set and read back; `None` where the map names none. Proven where the map was commissioned."""
        wanted_s = self.map.watchdog_s
        if wanted_s is None:
            return None
        await self._watchdog.write((WATCHDOG, None), wanted_s, Priority.ORDER)
        found_s = (await self._watchdog.read(Priority.ORDER))[WATCHDOG, None]
        self._watchdog.check((WATCHDOG, None), found_s, wanted_s)
        if not found_s > 0.0:  # less than a step of its register
            raise DeviceFault(
                self.device, f"its watchdog was set to {wanted_s:g} s and reads back {found_s:g} s: it is off"
            )
        return Watchdog(watches="host", timeout_s=found_s, proven=self.map.commissioned is not None)

    async def check_watchdog(self, armed: Watchdog | None) -> None:
        """Raises `DeviceFault` where it is not the one of commissioning any more: a device that was without power for a
        moment may have forgotten it, and over a connection that was opened again nobody notices."""
        if armed is None:
            return
        found_s = (await self._watchdog.read(Priority.ORDER))[WATCHDOG, None]
        if found_s != armed.timeout_s:
            text = f"its watchdog is {found_s:g} s, {armed.timeout_s:g} s was set at commissioning: commission it again"
            raise DeviceFault(self.device, text)

    def utc_at(self, then_s: float) -> datetime:
        """The wall clock at an instant of the loop's."""
        return self._utcnow() - timedelta(seconds=asyncio.get_running_loop().time() - then_s)


def map_of(settings: DeviceSettings) -> RegisterMap:
    """Raises `ValueError`, and `MapError` for a map that says too little."""
    device, register_map, query = settings.device, settings.register_map, settings.resource.query
    if register_map is None:
        raise ValueError(f"{device}: it needs a register map: write `map: FILE.yaml`")
    if settings.options:
        raise ValueError(f"{device}: option {min(settings.options)!r} is unknown; all is in its map")
    known = {"unit", *(SERIAL_KEYS if settings.resource.scheme == "modbus-rtu" else ())}
    if unknown := set(query) - known:
        words = ", ".join(sorted(known))
        raise ValueError(f"{device}: {settings.resource.text!r}: {min(unknown)!r} is unknown; there are {words}")
    check_map(register_map)
    return register_map


def link_to(settings: DeviceSettings) -> ModbusLink:
    """The unit is the resource's, else the map's, else 1. Raises `ValueError` for a bad resource."""
    register_map, is_serial = settings.register_map, settings.resource.scheme == "modbus-rtu"
    unit = 1 if register_map is None or register_map.unit is None else register_map.unit
    return ModbusLink.to(
        settings.device,
        settings.resource,
        default_unit=unit,
        timeout_s=SERIAL_TIMEOUT_S if is_serial else TCP_TIMEOUT_S,
    )
