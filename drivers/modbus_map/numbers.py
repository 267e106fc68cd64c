"""Reading many registers in few transactions, and writing one."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from cycler.contract.errors import DeviceFault
from cycler.contract.register_map import EntryKey, MappedRegister, WordOrder
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.modbus_map.codec import Codec, Rounding

BLOCK_WORDS_MAX = 125


class Numbers:
    """Some registers of one device. Adjacent ones are read together; over a gap nobody knows what answers."""

    def __init__(
        self, device: str, link: ModbusLink, registers: Iterable[MappedRegister], word_order: WordOrder
    ) -> None:
        self._device = device
        self._link = link
        self._registers = {register.key: register for register in registers}
        self._codecs = {key: Codec(register, word_order) for key, register in self._registers.items()}
        self._blocks = [self._block(run) for run in _runs(list(self._registers.values()), self._words)]

    @property
    def transactions(self) -> int:
        """How many one `read` takes."""
        return len(self._blocks)

    def __contains__(self, key: EntryKey) -> bool:
        return key in self._registers

    async def read(self, priority: Priority) -> Mapping[EntryKey, float]:
        """All of them, NaN where one holds no value."""
        values: dict[EntryKey, float] = {}
        for block, keys in self._blocks:
            for key, unpacked in zip(keys, await self._link.read(block, priority), strict=True):
                values[key] = self._codecs[key].value(unpacked)
        return values

    def held(self, key: EntryKey, value: float, rounding: Rounding = "nearest") -> float:
        """What the register can hold instead. Raises `DeviceFault` for what is no value at all."""
        try:
            return self._codecs[key].held(value, rounding)
        except ValueError as error:
            raise self._beyond(key, error) from None

    async def write(
        self, key: EntryKey, value: float, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """The nearest that it can hold. Raises `DeviceFault` for what it cannot. See `ModbusLink.write_register`."""
        register = self._registers[key]
        try:
            words = self._codecs[key].registers(value, "nearest")
        except ValueError as error:
            raise self._beyond(key, error) from None
        if len(words) == 1:
            await self._link.write_register(register.address, words[0], priority, unless=unless)
        else:
            await self._link.write_registers(register.address, words, priority, unless=unless)

    def confirms(self, key: EntryKey, found: float, ordered: float) -> bool:
        """Whether this, read back, is what was ordered."""
        return self._codecs[key].confirms(found, ordered)

    def check(self, key: EntryKey, found: float, ordered: float) -> None:
        """Raises `DeviceFault` where what is read back is not what was ordered."""
        if not self.confirms(key, found, ordered):
            register = self._registers[key]
            detail = f"{register.name} was set to {ordered:g} {register.unit} and reads back {found:g}"
            raise DeviceFault(self._device, f"{detail} (register {register.address})")

    def _beyond(self, key: EntryKey, error: ValueError) -> DeviceFault:
        register = self._registers[key]
        return DeviceFault(self._device, f"{register.name} (register {register.address}): {error}")

    def _words(self, register: MappedRegister) -> int:
        return self._codecs[register.key].raw_codec.words

    def _block(self, run: Sequence[MappedRegister]) -> tuple[Block, list[EntryKey]]:
        keys = [register.key for register in run]
        layout = struct.Struct(">" + "".join(self._codecs[key].raw_codec.layout for key in keys))
        return Block(run[0].address, layout, table="holding" if run[0].function == 3 else "input"), keys


def _runs(registers: list[MappedRegister], words: Callable[[MappedRegister], int]) -> list[list[MappedRegister]]:
    runs: list[list[MappedRegister]] = []
    end = (0, -1)  # function and address after the last one
    for register in sorted(registers, key=lambda register: (register.function, register.address)):
        following = register.address + words(register)
        if runs and (register.function, register.address) == end and following - runs[-1][0].address <= BLOCK_WORDS_MAX:
            runs[-1].append(register)
        else:
            runs.append([register])
        end = register.function, following
    return runs
