"""What a battery tester's tips find on the cells of a simulated world."""

import asyncio
import math
from dataclasses import replace

import pytest
from world_bench import cells_of, devices_of, rack, run

from cycler.model.rack import BayId, ChannelRef, PositionId
from cycler.model.world import Defect, WorldDeclaration
from sims.terminal import Supply
from sims.world import SimulatedWorld, open_world


def metered(*defects: Defect) -> SimulatedWorld:
    """Two cells on a cycler; the first has the tips of a meter on it."""
    plain = rack(2)
    bay = plain.bays[BayId("B01")]
    first = PositionId("B01/A1")
    meter = ChannelRef(device="hioki-01", channel="1")
    positions = {**bay.positions, first: replace(bay.positions[first], meter=meter)}
    a_rack = replace(plain, bays={bay.bay: replace(bay, positions=positions)})
    declaration = WorldDeclaration(cells=cells_of(a_rack, state="formed@50%"), ideal=True, defects=defects)
    return open_world(declaration, a_rack, devices_of(a_rack), wire="memory")


def test_voltage_and_resistance_are_those_of_the_cell_itself() -> None:
    built = metered()

    async def test() -> None:
        tips = built.tips("hioki-01", "1")
        voltage_v, resistance_ohm = tips()
        assert voltage_v == built.truth(PositionId("B01/A1")).voltage_v
        assert 0.005 < resistance_ohm < 0.03  # of a 21700
        terminal = built.terminal("cyc-01", "1")
        terminal.drive(Supply(on=True, voltage_v=4.2, source_current_a=5.0))
        drop_v = terminal.measure().voltage_v - voltage_v
        assert drop_v > 5.0 * resistance_ohm  # what flows for longer than a millisecond meets more than the ohmic part
        await asyncio.sleep(60.0)
        assert tips()[0] > voltage_v

    run(built, test)


def test_contacts_of_the_cycler_are_not_seen_and_a_weak_cell_is() -> None:
    contact = Defect(at="B01/A1", defect="bad-contact", numbers={"resistance_ohm": 0.5})
    weak = Defect(at="B01/A1", defect="high-resistance", numbers={"factor": 2.0})

    def resistance_ohm(*defects: Defect) -> float:
        built, found = metered(*defects), []

        async def test() -> None:
            await asyncio.sleep(1.0)
            found.append(built.tips("hioki-01", "1")()[1])

        run(built, test)
        return found[0]

    good = resistance_ohm()
    assert resistance_ohm(contact) == pytest.approx(good, rel=1e-3)
    assert resistance_ohm(weak) == pytest.approx(2.0 * good, rel=1e-3)


def test_a_reversed_cell_shows_its_sign_and_a_missing_one_nothing() -> None:
    def look(*defects: Defect) -> tuple[float, float]:
        built, found = metered(*defects), []

        async def test() -> None:
            found.append(built.tips("hioki-01", "1")())

        run(built, test)
        return found[0]

    assert look(Defect(at="B01/A1", defect="reversed"))[0] < -3.0
    assert all(math.isnan(value) for value in look(Defect(at="B01/A1", defect="missing")))


def test_tips_that_no_position_names_hang_in_the_air() -> None:
    built = metered()

    async def test() -> None:
        assert all(math.isnan(value) for value in built.tips("hioki-02", "1")())

    run(built, test)
