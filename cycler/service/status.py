"""What goes on in a rack, as one JSON document."""

import asyncio
from datetime import datetime
from math import isfinite

from cycler.control.channel_controller import ChannelController
from cycler.control.run_resumer import Waiting
from cycler.control.step_machine import StepMachine
from cycler.model.alarm_record import Alarm
from cycler.model.rack import Bay
from cycler.model.results import CellOutcome
from cycler.service.bays import BayInUse, Bays
from cycler.service.progress import bay_progress
from cycler.service.running_rack import RunningRack

Document = dict[str, object]


def status_document(running: RunningRack, bays: Bays, *, since_utc: datetime) -> Document:
    """Of the present instant. Voltages in V, currents in A, positive while they charge; None where nothing is known."""
    controller = running.controller
    return {
        "rack": running.rack.rack,
        "since_utc": since_utc.isoformat(),
        "utc": running.utcnow().isoformat(),
        "journal": running.recorder.trouble or "durable",
        "devices": [{"device": device, "trouble": controller.troubles.get(device)} for device in running.devices],
        "alarms": [_alarm(alarm) for alarm in controller.alarms.standing],
        "bays": [_bay(running, running.rack.bays[name], used) for name, used in bays.in_use.items()],
    }


def _bay(running: RunningRack, bay: Bay, used: BayInUse) -> Document:
    document: Document = {"bay": bay.bay, "state": used.state, "tray": None, "recipe": None, "run": None}
    if used.job is None:
        return document | {"positions": []}
    recipe, controller = used.job.recipe.recipe, running.controller
    controllers = controller.controllers
    document |= {"tray": used.job.tray, "recipe": f"{recipe.recipe} {recipe.version}"}
    if used.run is not None:
        elapsed_s = asyncio.get_running_loop().time() - used.began_s
        progress = bay_progress(used.run, controllers, elapsed_s=elapsed_s, now_utc=running.utcnow())
        document |= {
            "run": used.run.run_id,
            "released_as": used.run.released_as,
            "step": progress.step,
            "ended": progress.ended,
            "progress": round(progress.ratio, 4),
            "remaining_s": round(progress.remaining_s),
        }
    positions: list[Document] = []
    for position, cell in used.job.cells.items():
        known: Document = {"position": position, "cell": cell.cell_id}
        if used.run is not None:
            known |= _cell(controllers.get(position), controller.outcome(position))
            known |= _waits(controller.resumer.waiting.get(position))
        positions.append(known)
    return document | {"positions": positions}


def _alarm(alarm: Alarm) -> Document:
    return {
        "alarm": alarm.number,
        "code": alarm.code,
        "name": alarm.name,
        "severity": alarm.severity,
        "state": alarm.state,
        "source": alarm.source,
        "positions": list(alarm.positions),
        "raised_utc": alarm.raised_utc.isoformat(),
        "text": alarm.text,
        "remedy": alarm.remedy,
    }


def _cell(controller: ChannelController | None, outcome: CellOutcome | None) -> Document:
    """How it ended, or how it is."""
    if outcome is not None:
        return {"ended": outcome.ended, "code": outcome.code, "text": outcome.detail}
    if controller is None:
        return {}
    machine = controller.machine
    return {
        "step": None if machine.step is None else machine.step.step_id,
        "step_type": None if machine.step is None else machine.step.step_type,
        "waits_for": _message(machine),
        "step_time_s": _number(machine.step_time_s),
        "voltage_v": _number(machine.voltage_v),
        "current_a": _number(machine.current_a),
        "temperature_degc": _number(machine.temperature_degc),
        "charged_nas": machine.charged_nas,
        "discharged_nas": machine.discharged_nas,
    }


def _waits(waiting: Waiting | None) -> Document:
    """Since control was lost."""
    return {} if waiting is None else {"waits": {"for": waiting.asks, "text": waiting.text, "then": waiting.way}}


def _message(machine: StepMachine) -> str | None:
    """What a person is asked."""
    hold = None if machine.step is None or not machine.held else machine.step.hold
    return None if hold is None else hold.message


def _number(value: float) -> float | None:
    return round(value, 6) if isfinite(value) else None
