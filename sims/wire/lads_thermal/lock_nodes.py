"""The lock of a unit as its clients find it. Source: OPC 10000-100, LockingServicesType."""

from collections.abc import Callable

from asyncua import ua
from asyncua.ua import VariantType

from sims.wire.lads_thermal.device import LadsDevice
from sims.wire.lads_thermal.published import DI, LOCKING
from sims.wire.lads_thermal.server import caller
from sims.wire.lads_thermal.tree import Tree

STRING, INT32, DURATION = 12, 6, 290  # data types
DONE, DENIED = 0, -1  # what its methods answer


def add_lock(tree: Tree, unit: ua.NodeId, device: LadsDevice) -> None:
    """Beneath the unit that it locks."""
    lock = tree.instance(unit, DI, "Lock", LOCKING)

    def remaining_ms() -> float:
        held = device.lock()
        return 0.0 if held is None else 1000.0 * (held.until_s - device.now_s())

    def client() -> str:
        held = device.lock()
        return "" if held is None else held.client

    tree.variable(lock, DI, "Locked", VariantType.Boolean, lambda: device.lock() is not None)
    tree.variable(lock, DI, "LockingClient", VariantType.String, client)
    tree.variable(lock, DI, "LockingUser", VariantType.String, str)  # empty: everybody is anonymous
    tree.variable(lock, DI, "RemainingLockTime", VariantType.Double, remaining_ms, data_type=DURATION)

    def add_method(name: str, act: Callable[[], bool], *inputs: tuple[str, int]) -> None:
        async def call(_: ua.NodeId, *__: ua.Variant) -> list[ua.Variant]:
            return [ua.Variant(DONE if act() else DENIED, VariantType.Int32)]

        tree.method(lock, DI, name, call, inputs=inputs, outputs=[(f"{name}Status", INT32)])

    add_method("InitLock", lambda: device.init_lock(caller(), client=caller().client_uri), ("Context", STRING))
    add_method("RenewLock", lambda: device.renew_lock(caller()))
    add_method("ExitLock", lambda: device.exit_lock(caller()))
    add_method("BreakLock", device.break_lock)
