"""A simulated rack for tests: say what stands in it and what goes wrong when, run a recipe, ask what came of it.

    rack = SimRack(driver="ea_psb").load("c1").load("c2", bay="B02").unplug("psb-02", after_s=600)
    run = rack.run(charge(c_rate=0.5, cv_v=4.2, until=(taper(0.05), amp_hours(6), hours(14))))
    assert run["c1"].stop_reason == "current"
    assert run["c2"].stop_reason == "stale"
    assert rack.output_is_open("c2")

Everything runs as it does in production, from the wiring to the journal, but on a loop whose time jumps: hours take
seconds. Times are seconds of the world; the devices are connected at 0, the cells start when all have answered.
"""

import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar

from cycler.model.rack import BayId, BayOutput, ChannelRef, InterlockAction, InterlockScope
from cycler.model.results import Event
from cycler.model.world import Defect, Fault, SimulatedCell, WorldDeclaration
from cycler.service.session import run_session
from cycler.service.story import stories
from cycler.service.wiring import Wire, simulated_devices
from sims.devices.digital_io import IoHardware
from sims.faults import ActiveFault
from sims.testing.cables import Cables
from sims.testing.layout import CONTACTORS, THERMOMETERS, CyclerDriverName, Layout, MeterDriverName, WiredInterlock
from sims.testing.observed_world import ObservedWorld
from sims.testing.rack_run import CellRun, RackRun
from sims.world import CellTruth

T = TypeVar("T")


class SimRack:
    """Cells are known by the names that they were loaded under. A rack runs once."""

    def __init__(
        self,
        *,
        driver: CyclerDriverName = "sim_cycler",
        wire: Wire = "memory",
        seed: int = 1,
        ideal: bool = False,
        contactors: bool = True,
        press: bool = False,
        options: Mapping[str, str] | None = None,
        ambient_degc: float = 25.0,
        store: Path | None = None,
    ) -> None:
        """`options` are the cyclers', as in a rack file. Without a `store` the journal is gone after the run."""
        self._wire: Wire = wire
        self._seed = seed
        self._ideal = ideal
        self._ambient_degc = ambient_degc
        self._store = store
        self._layout = Layout(
            driver=driver, options=options or {}, contactors=contactors, press=press, free_ports=wire == "loopback"
        )
        self._defects: list[Defect] = []
        self._faults: list[Fault] = []
        self._happenings: list[tuple[float, Callable[[], object]]] = []
        self._interrupted = False
        self._world: ObservedWorld | None = None

    # what stands in it

    def load(
        self,
        cell: str,
        *,
        state: str = "formed@30%",
        capacity_ah: float | None = None,
        device: str | None = None,
        bay: str = "B01",
        parallel: int = 1,
    ) -> Self:
        """A formed cell in the next free place of the bay, with so many channels in parallel.

        Without a `device` the cells share the in-process cycler `cyc-01`; of EA PSBs each cell has its own, from
        `psb-01`, and of SourceMeters, from `smu-01`.
        """
        self._layout.load(cell, state=state, capacity_ah=capacity_ah, device=device, bay=bay, parallel=parallel)
        return self

    def leave_empty(self, place: str, *, device: str | None = None, bay: str = "B01") -> Self:
        """The next place of the bay has a channel, and no cell."""
        self._layout.load(place, state=None, capacity_ah=None, device=device, bay=bay)
        return self

    def spoil(
        self,
        cell: str,
        defect: str,
        *,
        instead: SimulatedCell | None = None,
        from_s: float = 0.0,
        for_s: float | None = None,
        **numbers: float,
    ) -> Self:
        """A defect of a world file, for good or so long. `instead`: the cell that stands there."""
        at = self._layout.cells[cell].position
        self._defects.append(Defect(at=at, defect=defect, numbers=numbers, cell=instead, from_s=from_s, for_s=for_s))
        return self

    def enclose(self, *bays: str, chamber: str = "ch-01") -> Self:
        """These bays stand in this chamber; all others stand in the room."""
        self._layout.chambers.update(dict.fromkeys(map(BayId, bays), chamber))
        return self

    def neighbours(self, *bays: str, zone: str = "Z1") -> Self:
        """These bays are near to each other."""
        self._layout.zones.update(dict.fromkeys(map(BayId, bays), zone))
        return self

    def probe(self, *cells: str, meter: str = "hi-01", driver: MeterDriverName = "sim_meter") -> Self:
        """These cells have the tips of this meter on them, one channel each."""
        self._layout.meters[meter] = driver
        for cell in cells:
            channel = 1 + sum(tips.device == meter for tips in self._layout.probed.values())
            self._layout.probed[cell] = ChannelRef(device=meter, channel=str(channel))
        return self

    def switch(self, name: str, line: str, *, needs_open: bool = False, bay: str = "B01") -> Self:
        """Steps know this output of the I/O module by a name."""
        output = BayOutput(output=ChannelRef(device=CONTACTORS, channel=line), needs_open=needs_open)
        self._layout.outputs.setdefault(BayId(bay), {})[name] = output
        return self

    def guard(
        self,
        interlock: str,
        line: str,
        *,
        scope: InterlockScope,
        action: InterlockAction,
        at: str | None = None,
        active: Literal["low", "high"] = "low",
    ) -> Self:
        """An interlock of a rack file, on this input of the I/O module."""
        self._layout.interlocks.append(
            WiredInterlock(interlock=interlock, line=line, active=active, scope=scope, at=at, action=action)
        )
        return self

    def assign(self, bay: str, *steps: str) -> Self:
        """The bay has a recipe of its own, instead of the one that `run` is given."""
        self._layout.recipes[BayId(bay)] = steps
        return self

    # what happens to it

    def after(self, after_s: float, happening: Callable[[], object]) -> Self:
        """Anything, at that time of the world; also a look at what is true then."""
        self._happenings.append((after_s, happening))
        return self

    def unplug(self, device: str, *, after_s: float, for_s: float | None = None) -> Self:
        """Pull the cable of a device, and put it back if it is to come back."""
        self.after(after_s, lambda: self._cables.unplug(device))
        return self if for_s is None else self.after(after_s + for_s, lambda: self._cables.plug(device))

    def cut(self, device: str, *, after_s: float) -> Self:
        """Break the connections of a device behind a wire; it goes on listening."""
        return self.after(after_s, lambda: self._cables.cut(device))

    def muffle(self, device: str, *, after_s: float) -> Self:
        """A device behind a wire hears everything from then on, but its answers are lost."""
        return self.after(after_s, lambda: self._cables.muffle(device))

    def break_sensor(self, cell: str, *, after_s: float) -> Self:
        """The cell's thermometer shows nothing any more."""
        channel = str(self._layout.cells[cell].number)
        return self.after(after_s, lambda: self.world.faults(THERMOMETERS).begin("sensor-break", channel))

    def open_contactor(self, bay: str = "B01", *, after_s: float) -> Self:
        """A hand, a dead coil: the contactor opens without an order."""

        def happening() -> None:
            line = self._layout.contactor(BayId(bay)).channel
            self.instrument(CONTACTORS, IoHardware).set_outputs({line: False})

        return self.after(after_s, happening)

    def ignore_offs(self, device: str, *, after_s: float, for_s: float | None = None) -> Self:
        """The relays of an in-process cycler, or of the I/O module, do not open on command."""

        begun: list[ActiveFault] = []
        self.after(after_s, lambda: begun.append(self.world.faults(device).begin("off-ignored")))
        return self if for_s is None else self.after(after_s + for_s, lambda: self.world.faults(device).end(begun[0]))

    def disturb(
        self,
        device: str,
        fault: str,
        *,
        after_s: float,
        for_s: float | None = None,
        channel: str | None = None,
        **numbers: float,
    ) -> Self:
        """A fault of a world file, by hand: `no-reply`, `door-open` …; `clock-step` is one of no device."""
        self._faults.append(
            Fault(device=device, fault=fault, channel=channel, numbers=numbers, from_s=after_s, for_s=for_s)
        )
        return self

    def interrupt(self, *, after_s: float) -> Self:
        """Ctrl-C. The run ends early, and `run` returns what is known of it."""
        self._interrupted = True
        return self.after(after_s, lambda: signal.raise_signal(signal.SIGINT))

    # the run

    def run(self, *steps: str) -> RackRun:
        """The steps of a recipe, or the name of one in the library. Raises what `run_session` raises."""
        with tempfile.TemporaryDirectory() as temporary:
            store = self._store or Path(temporary)
            try:
                self._run(steps, store)
            except KeyboardInterrupt:
                if not self._interrupted:
                    raise
            told = stories(store)
        events: list[Event] = []
        for story in told:  # what concerns the whole rack stands in the story of every bay
            events += [event for event in story.events if event not in events] if events else story.events
        cells = {}
        for cell in self._layout.cells.values():
            own = [story for story in told if cell.position in story.run.cells]  # none, if nothing had begun yet
            cells[cell.name] = CellRun(
                steps=own[0].steps.get(cell.position, ()) if own else (),
                samples=own[0].samples.get(cell.position, ()) if own else (),
                outcome=own[0].outcomes.get(cell.position) if own else None,
            )
        alarms = {each.alarm.number: each for story in told for each in story.alarms}
        return RackRun(
            cells=cells,
            events=tuple(events),
            event_hashes=tuple(story.event_hash for story in told),
            alarms=tuple(alarms[number] for number in sorted(alarms)),
        )

    # what is true

    @property
    def world(self) -> ObservedWorld:
        """From `run` on."""
        if self._world is None:
            raise RuntimeError("the rack has not run yet")
        return self._world

    def truth(self, cell: str) -> CellTruth:
        """How the cell is: now, or as control left it."""
        position = self._layout.cells[cell].position
        return self.world.truth(position) if self.world.left is None else self.world.left[position]

    def output_is_open(self, cell: str) -> bool:
        """No supply reaches the cell: its relay is open, or the contactor of its bay is."""
        return not self.truth(cell).is_energised

    def instrument(self, device: str, kind: type[T]) -> T:
        """An in-process device itself, for what its driver would never do."""
        found = self.world.instruments[device]
        if not isinstance(found, kind):
            raise TypeError(f"{device} is a {type(found).__name__}, not a {kind.__name__}")
        return found

    # the machinery

    def _run(self, steps: tuple[str, ...], store: Path) -> None:
        configuration, jobs = self._layout.configuration(), self._layout.jobs(steps)
        declaration = WorldDeclaration(
            seed=self._seed,
            ideal=self._ideal,
            ambient_degc=self._ambient_degc,
            cells=self._layout.simulated_cells(jobs[0].recipe.cell_type),
            defects=tuple(self._defects),
            faults=tuple(self._faults),
        )
        devices = simulated_devices(configuration)
        self._world = ObservedWorld(declaration, configuration.rack, devices, wire=self._wire)
        self._cables = Cables(self._world, {device.device: device.resource for device in devices})
        for after_s, happening in self._happenings:
            self._world.loop.call_at(after_s, happening)
        run_session(configuration, self._world, jobs, store=store, seed=self._seed)
