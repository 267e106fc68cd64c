"""Several supplies on one cell: their currents add up, and where they regulate is decided by all of them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis.strategies import builds, floats, integers, just, lists
from world_bench import CELL_TYPE

from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack
from cycler.model.world import Defect, SimulatedCell, WorldDeclaration, WorldError
from sims.cells.leads import Lead, Leads
from sims.terminal import Supply, TerminalReading
from sims.testing.shared_bench import SharedCell
from sims.world import SimulatedWorld

A1 = PositionId("B01/A1")
SUPPLIES = lists(
    builds(
        Supply,
        on=just(True),
        voltage_v=integers(25, 45).map(lambda tenths: tenths / 10),
        source_current_a=floats(0.0, 10.0),
        sink_current_a=floats(0.0, 10.0),
    ),
    min_size=1,
    max_size=4,
)


def world(*defects: Defect, channels: int = 2) -> SimulatedWorld:
    parts = tuple(ChannelRef(device=f"psb-{number}", channel="1") for number in range(channels))
    bay = Bay(bay=BayId("B01"), positions={A1: Position(position=A1, channels=parts)})
    rack = Rack(rack="R1", purpose="production", bays={bay.bay: bay})
    cells = {A1: SimulatedCell(cell_type=CELL_TYPE, state="formed@50%")}
    return SimulatedWorld(WorldDeclaration(cells=cells, defects=defects, ideal=True), rack, (), wire="memory")


def source(voltage_v: float, current_a: float) -> Supply:
    return Supply(on=True, voltage_v=voltage_v, source_current_a=current_a)


def readings(built: SimulatedWorld) -> list[TerminalReading]:
    return [built.terminal(f"psb-{number}", "1").measure() for number in range(2)]


def drive(built: SimulatedWorld, *supplies: Supply) -> None:
    for number, supply in enumerate(supplies):
        built.terminal(f"psb-{number}", "1").drive(supply)


@given(supplies=SUPPLIES, cell_v=floats(2.0, 5.0), share=floats(0.0, 1.0))
def test_what_flows_is_shared_out_whole_and_within_everybodys_limits(
    supplies: list[Supply], cell_v: float, share: float
) -> None:
    leads = Leads([Lead(contact_ohm=0.0, supply=supply) for supply in supplies])
    edges = leads.edges(cell_v)
    assert [edge.high_a for edge in edges[1:]] == [edge.low_a for edge in edges[:-1]]
    for edge in edges:
        current_a = edge.low_a + share * (edge.high_a - edge.low_a)
        leads.share_out(cell_v, current_a)
        flows_a = [lead.flows_a for lead in leads.leads]
        assert sum(flows_a) == pytest.approx(current_a, abs=1e-9)
        for supply, flow_a in zip(supplies, flows_a, strict=True):
            assert -supply.sink_current_a - 1e-9 <= flow_a <= supply.source_current_a + 1e-9


def test_two_that_charge_charge_twice_as_much() -> None:
    built = world()

    async def test() -> None:
        drive(built, source(4.2, 2.0), source(4.2, 1.0))
        await asyncio.sleep(60)
        first, second = readings(built)
        assert (first.current_a, second.current_a) == pytest.approx((2.0, 1.0))
        assert (first.regulation, second.regulation) == ("cc", "cc")
        assert first.voltage_v == second.voltage_v
        assert first.charged_ah + second.charged_ah == pytest.approx(built.truth(A1).charged_ah)
        assert built.truth(A1).charged_ah == pytest.approx(3.0 / 60)

    built.run(test())


def test_the_one_that_is_set_lower_stops_giving_before_the_other_holds_the_voltage() -> None:
    built = world()

    async def test() -> None:
        drive(built, source(3.900, 1.5), source(3.905, 1.5))
        shared, alone = False, False
        while readings(built)[1].current_a > 0.5:
            await asyncio.sleep(10)
            first, second = readings(built)
            assert first.current_a <= second.current_a + 1e-6
            assert second.current_a <= 1.5 + 1e-6
            assert second.voltage_v <= 3.905 + 1e-4
            shared = shared or 0.1 < first.current_a < 1.4
            alone = alone or (first.current_a < 1e-6 and second.regulation == "cc")
        assert (first.regulation, second.regulation) == ("cv", "cv")
        assert second.voltage_v == pytest.approx(3.905, abs=1e-4)
        assert shared, "the lower one tapers while the higher one gives all it may"
        assert alone, "then the higher one takes the cell to its own voltage"

    built.run(test())


def test_two_that_discharge_end_at_the_lower_voltage() -> None:
    built = world()

    async def test() -> None:
        for number, low_v in enumerate((3.62, 3.60)):
            sink = Supply(on=True, voltage_v=low_v, sink_current_a=2.0)
            built.terminal(f"psb-{number}", "1").drive(sink)
        await asyncio.sleep(2400)
        assert built.truth(A1).voltage_v == pytest.approx(3.60, abs=1e-3)
        higher, lower = readings(built)
        assert 0.0 < higher.discharged_ah < lower.discharged_ah
        assert higher.discharged_ah + lower.discharged_ah == pytest.approx(built.truth(A1).discharged_ah)

    built.run(test())


def test_one_that_is_lost_leaves_the_other_to_its_share() -> None:
    built = world(Defect(at=A1, defect="lost-subchannel", from_s=60.0, for_s=60.0))

    async def test() -> None:
        await built.start()
        seen = []
        drive(built, source(4.2, 1.0), source(4.2, 1.0))
        for _ in range(3):
            await asyncio.sleep(50)
            seen.append([round(reading.current_a, 6) for reading in readings(built)])
        assert seen == [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
        assert built.truth(A1).is_energised

    built.run(test())


def test_a_lost_one_shows_its_own_voltage_at_its_output() -> None:
    built = world(Defect(at=A1, defect="lost-subchannel"))

    async def test() -> None:
        await built.start()
        drive(built, source(4.2, 1.0), source(4.1, 1.0))
        await asyncio.sleep(1)
        _, lost = readings(built)
        assert (lost.output_v, lost.current_a, lost.regulation) == (4.1, 0.0, "cv")
        assert lost.voltage_v == pytest.approx(built.truth(A1).voltage_v)

    built.run(test())


def test_only_a_position_with_several_channels_can_lose_one() -> None:
    with pytest.raises(WorldError, match="lost-subchannel: it has one channel only"):
        world(Defect(at=A1, defect="lost-subchannel"), channels=1)


def test_a_shared_bench_cell_is_charged_by_all_and_ends_at_the_higher_voltage() -> None:
    async def test() -> None:
        cell = SharedCell(2)
        for lead, set_v in zip(cell.leads, (3.60, 3.61), strict=True):
            lead.drive(source(set_v, 1.0))
        assert cell.current_a() == pytest.approx(2.0)
        await asyncio.sleep(2)
        assert cell.voltage_v() == pytest.approx(3.58, abs=0.005)
        await asyncio.sleep(60)
        assert cell.voltage_v() == pytest.approx(3.61, abs=1e-3)

    world().run(test())
