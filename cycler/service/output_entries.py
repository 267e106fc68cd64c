"""The `outputs:` of a bay in a rack file: digital outputs that recipes set, by names of their own."""

from collections.abc import Mapping

from cycler.model.rack import BayOutput, ChannelRef
from cycler.recipe.condition import NAME
from cycler.recipe.fields import Fields, as_map, as_text
from cycler.recipe.problems import shown
from cycler.recipe.yaml_nodes import MapNode, Node
from cycler.service.rack_reading import RackReading


def read_outputs(
    bay: Fields, reading: RackReading, *, contactor: ChannelRef | None, press: ChannelRef | None
) -> Mapping[str, BayOutput]:
    """`short-switch: io-01/DO3`, or `short-switch: {output: io-01/DO3, needs_open: true}`; those that could be read."""
    node = bay.take("outputs", as_map)
    if node is None:
        return {}
    found: dict[str, BayOutput] = {}
    taken = {contactor: "the contactor", press: "the press"}
    fields = Fields(node, bay.problems, owner="the outputs")
    for name, value in node.entries.items():
        if not NAME.fullmatch(name):
            hint = "small letters, digits, - and _, beginning with a letter"
            fields.refuse(name, "name", f"{shown(name)} is no name of an output", hint)
            continue
        output, needs_open = _output(fields, name, value, reading)
        if output is None:
            continue
        if output in taken:
            fields.refuse(name, "channel", f"{name}: {output} is {taken[output]}", "give each an output of its own")
        if needs_open and contactor is None:
            message = f"{name}: needs_open wants the bay's contactor open, and it has none"
            fields.refuse(name, "no-contactor", message, "name a `contactor`")
        taken[output] = f"the output {name}"
        found[name] = BayOutput(output=output, needs_open=needs_open)
    return found


def _output(fields: Fields, name: str, value: Node, reading: RackReading) -> tuple[ChannelRef | None, bool]:
    """And whether it needs the path open."""

    def channel(node: Node) -> ChannelRef:
        return reading.channel(as_text(node), "digital-io")

    if not isinstance(value, MapNode):
        return fields.take(name, channel), False
    entry = Fields(value, fields.problems, owner=f"the output {name}")
    output = entry.take("output", channel, required=True)
    needs_open = entry.word("needs_open", ("true", "false")) == "true"
    entry.close()
    return output, needs_open
