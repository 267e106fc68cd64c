"""What the parts of a rack file share while it is read: the devices that are there, and what is found wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cycler.contract.plugin import DeviceKind, OfflineFacts
from cycler.model.rack import ChannelRef
from cycler.recipe.fields import Fields
from cycler.recipe.problems import MistakeError, Problem, Problems, nearest, shown
from cycler.recipe.yaml_nodes import ListNode, MapNode, Node

KIND_NAMES: Mapping[DeviceKind, str] = {
    "cycler": "a cycler",
    "temperature": "a temperature input",
    "chamber": "a chamber",
    "digital-io": "a digital I/O",
    "meter": "a meter",
}

_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)/([A-Za-z0-9._-]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """An entry under `devices:`, as far as references to it can be checked."""

    driver: str
    kind: DeviceKind
    facts: OfflineFacts


@dataclass(slots=True)
class RackReading:
    """`devices` has None for an entry that was itself refused: references to it are not refused once more."""

    problems: Problems
    builds_devices: bool = True
    devices: dict[str, ListedDevice | None] = field(default_factory=dict)
    not_yet: list[Problem] = field(default_factory=list)

    def entry(self, node: Node, *, owner: str) -> Fields | None:
        """The fields of an entry in a list; None, and a problem, where it has none."""
        if isinstance(node, MapNode):
            return Fields(node, self.problems, owner=owner)
        kind = "a list" if isinstance(node, ListNode) else "one value"
        self.problems.add(node.line, "type", f"{owner} is `key: value` entries, not {kind}")
        return None

    def defer(self, line: int, what: str, hint: str = "") -> None:
        """Put on record what is understood, but in the way of a run: control of this version would not do it."""
        message = f"{what}: not available in this version"
        if all(problem.message != message for problem in self.not_yet):
            self.not_yet.append(
                Problem(file=self.problems.file, line=line, code="not-available", message=message, hint=hint)
            )

    def channel(self, text: str, kind: DeviceKind) -> ChannelRef:
        """`psb-01/1`, a channel or output of a device of this kind. Raises `MistakeError`."""
        return self._reference(text, kind, inputs=False)

    def digital_input(self, text: str) -> ChannelRef:
        """`io-01/DI0`. Raises `MistakeError`."""
        return self._reference(text, "digital-io", inputs=True)

    def device(self, name: str, kind: DeviceKind) -> str:
        """The id of a device of this kind. Raises `MistakeError`."""
        self._listed(name, kind)
        return name

    def _reference(self, text: str, kind: DeviceKind, *, inputs: bool) -> ChannelRef:
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise MistakeError("reference", f"{shown(text)} is no channel of a device", "write it like psb-01/1")
        device, channel = match[1], match[2]
        listed = self._listed(device, kind)
        known = None if listed is None else listed.facts.inputs if inputs else listed.facts.channels
        if known is not None and channel not in known:
            noun = "input" if inputs else "output" if kind == "digital-io" else "channel"
            raise MistakeError("unknown-channel", f"{device} has no {noun} {channel}", _those(known, channel))
        return ChannelRef(device=device, channel=channel)

    def _listed(self, name: str, kind: DeviceKind) -> ListedDevice | None:
        if name not in self.devices:
            raise MistakeError("unknown-device", f"there is no device {shown(name)}", nearest(name, self.devices))
        listed = self.devices[name]
        if listed is not None and listed.kind != kind:
            message = f"{name} is {KIND_NAMES[listed.kind]}, {KIND_NAMES[kind]} is due here"
            fitting = [other for other, device in self.devices.items() if device is not None and device.kind == kind]
            raise MistakeError("device-kind", message, f"there are: {', '.join(fitting)}" if fitting else "")
        return listed


def _those(known: tuple[str, ...], meant: str) -> str:
    numbered = [name for name in known if name.isdecimal()]
    if len(known) > 1 and numbered == list(known):
        return f"it has {known[0]} to {known[-1]}"
    return nearest(meant, known)
