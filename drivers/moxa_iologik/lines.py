"""Which lines a module has, by the names that the rack file uses: `DI0`, `DO0`, `AI0`."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.moxa_iologik.options import Options
from drivers.moxa_iologik.registers import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Digital lines with their channel. `analogue` are inputs too: high as long as their loop current is healthy."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    analogue: Mapping[str, int]

    @property
    def input_names(self) -> tuple[str, ...]:
        return (*self.inputs, *self.analogue)

    def all_off(self) -> dict[str, bool]:
        """The safe state: wired so that off is power removed."""
        return dict.fromkeys(self.outputs, False)


def lines_of(name: str, options: Options) -> Lines:
    """A DIO that is an output has its own channel as `DO`; one that is an input stands behind the inputs. V."""
    model = MODELS[name]
    wanted = range(model.dios) if options.dio_outputs is None else options.dio_outputs
    dio_outputs = [channel for channel in range(model.dios) if channel in wanted]
    dio_inputs = [model.inputs + channel for channel in range(model.dios) if channel not in wanted]
    return Lines(
        inputs={f"DI{channel}": channel for channel in (*range(model.inputs), *dio_inputs)},
        outputs={f"DO{channel}": channel for channel in (*range(model.outputs), *dio_outputs)},
        analogue={f"AI{channel}": channel for channel in options.alarms_ma if channel < model.analogue},
    )
