"""Reading many bits in few transactions, and switching one."""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from cycler.contract.register_map import EntryKey, MappedBit
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority

BITS_MAX = 2000  # in one request; V1.1b3 of the application protocol

Table = Literal["coils", "discrete"]


def can_be_switched(bit: MappedBit) -> bool:
    """A coil, or a holding register of which no single bit is meant: writing one bit would write its neighbours too."""
    return bit.function == 1 or (bit.function == 3 and bit.bit is None)


class Switches:
    """Some bits of one device. Adjacent coils or discrete inputs are read together, so they belong to one instant."""

    def __init__(self, link: ModbusLink, bits: Iterable[MappedBit]) -> None:
        self._link = link
        self._bits = {bit.key: bit for bit in bits}
        self._runs = [run for function in (1, 2) for run in self._adjacent(function)]
        self._words = {
            (bit.function, bit.address): Block(
                bit.address, struct.Struct(">H"), table="holding" if bit.function == 3 else "input"
            )
            for bit in self._bits.values()
            if bit.function >= 3
        }

    @property
    def transactions(self) -> int:
        """How many one `read` takes."""
        return len(self._runs) + len(self._words)

    async def read(self, priority: Priority) -> Mapping[EntryKey, bool]:
        """All of them. A whole register is off where it holds its `off`, and on with anything else."""
        states: dict[EntryKey, bool] = {}
        for table, first, count, keys in self._runs:
            shown = await self._link.read_bits(first, count, priority, table=table)
            states |= {key: shown[address - first] for key, address in keys.items()}
        words: dict[tuple[int, int], int] = {}
        for place, block in self._words.items():
            (words[place],) = await self._link.read(block, priority)
        for key, bit in self._bits.items():
            if bit.function >= 3:
                word = words[bit.function, bit.address]
                states[key] = word != bit.off if bit.bit is None else bool(word >> bit.bit & 1)
        return states

    async def write(
        self, key: EntryKey, on: bool, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Of one that can be switched. See `ModbusLink.write_coil`."""
        bit = self._bits[key]
        if bit.function == 1:
            await self._link.write_coil(bit.address, on, priority, unless=unless)
        else:
            await self._link.write_register(bit.address, bit.on if on else bit.off, priority, unless=unless)

    def _adjacent(self, function: int) -> list[tuple[Table, int, int, dict[EntryKey, int]]]:
        table: Table = "coils" if function == 1 else "discrete"
        runs: list[tuple[Table, int, int, dict[EntryKey, int]]] = []
        places = sorted((bit.address, key) for key, bit in self._bits.items() if bit.function == function)
        for address, key in places:
            if runs:
                _, first, count, keys = runs[-1]
                if first <= address <= first + count and count < BITS_MAX:
                    runs[-1] = table, first, max(count, address - first + 1), {**keys, key: address}
                    continue
            runs.append((table, address, 1, {key: address}))
        return runs
