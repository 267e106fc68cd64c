"""The `outputs` of a bay in a rack file."""

from pathlib import Path

import pytest

from cycler.model.rack import BayId, BayOutput, ChannelRef
from cycler.recipe.problems import InvalidFile
from cycler.service.rack_file import load_configuration

RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    outputs: OUTPUTS
    positions:
      A1: {channel: c-01/1, temperature: t-01/1}
"""


def rack(tmp_path: Path, outputs: str, *, contactor: bool = True) -> Path:
    text = RACK.replace("OUTPUTS", outputs)
    path = tmp_path / "rack.yaml"
    path.write_text(text if contactor else text.replace("    contactor: io-01/DO0\n", ""))
    return path


def test_an_output_is_a_line_or_a_line_that_needs_an_open_path(tmp_path: Path) -> None:
    file = rack(tmp_path, "{fan: io-01/DO2, short-switch: {output: io-01/DO3, needs_open: true}}")
    configuration = load_configuration(file)
    assert configuration.rack.bays[BayId("B01")].outputs == {
        "fan": BayOutput(output=ChannelRef(device="io-01", channel="DO2")),
        "short-switch": BayOutput(output=ChannelRef(device="io-01", channel="DO3"), needs_open=True),
    }
    assert configuration.channels_of("io-01") == ("DO0", "DO2", "DO3")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ("{fan: io-01/DO0}", "io-01/DO0 is the contactor"),
        ("{fan: io-01/DO1, vent: io-01/DO1}", "io-01/DO1 is the output fan"),
        ("{fan: io-01/DO9}", "io-01 has no output DO9"),
        ("{fan: c-01/1}", "c-01 is a cycler"),
        ("{Fan: io-01/DO1}", "`Fan` is no name of an output"),
        ("{fan: {output: io-01/DO1, needs: open}}", "`needs` is no key of the output fan"),
        ("io-01/DO1", "entries are due here"),
    ],
)
def test_outputs_that_cannot_be_are_refused(tmp_path: Path, outputs: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        load_configuration(rack(tmp_path, outputs))


def test_an_output_that_needs_an_open_path_needs_a_contactor(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="wants the bay's contactor open, and it has none"):
        load_configuration(rack(tmp_path, "{short: {output: io-01/DO3, needs_open: true}}", contactor=False))
