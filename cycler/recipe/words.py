"""Numbers as people read them in a recipe: few digits, the unit that reads best."""

from cycler.recipe.units import Quantity


def in_words(value: float, unit: str) -> str:
    """To six digits; times in hours, minutes and seconds."""
    if unit == "s" and value >= 60:
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
        return " ".join(f"{number} {name}" for number, name in parts if number)
    return str(Quantity(float(f"{value:.6g}"), unit))
