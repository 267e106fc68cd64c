"""Recipes at random, in the words of an author: tapers, pulses, trains, contact checks; or one of the library."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A cell type of the library, and where its voltages lie."""

    cell_type: str
    low_v: float
    high_v: float
    library: tuple[str, ...]  # recipes of hours, for formed or filled cells


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRecipe:
    """`name` is the library's, or empty with a `text` of its own; `lasts_s` at most about so long."""

    product: Product
    name: str = ""
    text: str = ""
    start: str  # what the cells are: `formed@40%`
    lasts_s: float


PRODUCTS = (
    Product(
        cell_type="nmc811-21700",
        low_v=2.8,
        high_v=4.15,
        library=("nmc811-21700-formation-fast", "nmc811-21700-grading", "nmc811-21700-hppc", "nmc811-21700-formation"),
    ),
    Product(cell_type="lfp-26650", low_v=2.4, high_v=3.55, library=("lfp-26650-formation", "lfp-26650-grading")),
    Product(cell_type="lco-pouch", low_v=3.1, high_v=4.15, library=("lco-pouch-formation", "lco-pouch-grading")),
)


def drawn_recipe(random: Random, *, chamber: bool, library: float) -> DrawnRecipe:
    """`library`: how often it is one of those, which take many hours."""
    product = random.choice(PRODUCTS)
    if random.random() < library:
        name = random.choice(product.library)
        filled = "formation" in name
        start = "filled" if filled else f"formed@{random.randint(5, 60)}%"
        return DrawnRecipe(product=product, name=name, start=start, lasts_s=20 * 3600.0)
    filled = random.random() < 0.25
    steps, lasts_s = [], 60.0
    if chamber and random.random() < 0.6:
        steps.append(
            f"soak: {{chamber: {random.randint(20, 32)} degC, cells_within: 3 degC, hold: 3 min, timeout: 2 h}}"
        )
        lasts_s += 1800.0
    if random.random() < 0.6:
        steps.append("contact: {}")
        lasts_s += 120.0
    for _ in range(random.randint(2, 6)):
        step, minutes = _formation_step(random, product) if filled else _step(random, product)
        steps.append(step)
        lasts_s += 60.0 * minutes
    if random.random() < 0.25:
        times = random.randint(2, 4)
        inside, minutes = (_formation_step if filled else _step)(random, product)
        steps.append(f"loop: {{times: {times}, steps: [{inside}, rest: {{time: 1 min}}]}}")
        lasts_s += times * 60.0 * (minutes + 1)
    state = "filled" if filled else "formed"
    head = f"recipe: campaign\nversion: 1.0.0\ncell_type: {product.cell_type}\nfrom_state: [{state}]\n"
    if filled:
        head += "to_state: precharged\n"
    text = head + "record: {every: 10 s, voltage: 5 mV}\nsteps:\n" + "".join(f"  - {step}\n" for step in steps)
    start = "filled" if filled else f"formed@{random.randint(5, 95)}%"
    return DrawnRecipe(product=product, text=text, start=start, lasts_s=lasts_s)


def _formation_step(random: Random, product: Product) -> tuple[str, int]:
    minutes = random.randint(5, 60)
    if random.random() < 0.25:
        return f"rest: {{time: {minutes} min}}", minutes
    rate = random.choice(("C/50", "C/20", "C/10", "C/5"))
    return (
        f"charge: {{current: {rate}, until: [voltage >= {product.high_v} V, capacity >= 60 %, time > {minutes} min]}}",
        minutes,
    )


def _step(random: Random, product: Product) -> tuple[str, int]:
    minutes = random.randint(2, 45)
    rate = f"{random.choice((0.2, 0.5, 0.8, 1.0))}C"
    bounds = f"capacity >= 110 %, time > {minutes} min"
    match random.choice(("cc", "cccv", "discharge", "discharge", "rest", "dcir", "train")):
        case "cc":
            return f"charge: {{current: {rate}, until: [voltage >= {product.high_v} V, {bounds}]}}", minutes
        case "cccv":
            ends = f"until: [current <= C/20 for 10 s, {bounds}]"
            return f"charge: {{current: {rate}, voltage: {product.high_v} V, {ends}}}", minutes
        case "discharge":
            return f"discharge: {{current: {rate}, until: [voltage <= {product.low_v} V, {bounds}]}}", minutes
        case "dcir":
            direction = random.choice(("charge", "discharge"))
            edge = product.high_v if direction == "charge" else product.low_v
            return (
                f"dcir: {{direction: {direction}, current: 0.8C, time: 10 s, values: [1 s, 10 s], rest: 2 min, "
                f"voltage: {edge} V}}",
                3,
            )
        case "train":
            times = random.randint(2, 12)
            return (
                f"pulse: {{train: [[-0.8C, 10 s], [0 A, 20 s], [0.6C, 10 s], [0 A, 20 s]], times: {times}, "
                f"fail: [capacity > 50 %, time > {times + 2} min]}}",
                times,
            )
        case _:
            return f"rest: {{time: {minutes} min}}", minutes
