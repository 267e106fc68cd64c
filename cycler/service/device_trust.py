"""How far a device is trusted on its own: the keys of its entry in a rack file that say so."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from cycler.contract.capabilities import Keeps
from cycler.model.rack import Override
from cycler.recipe.fields import Fields, as_date, as_text, as_word
from cycler.recipe.problems import InvalidFile, MistakeError
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import Node
from cycler.service.controller_loss import LossRule, obstacles
from cycler.service.proof_record import ProofRecord, load_proof

KEYS = frozenset({"on_controller_loss", "temperature_guard", "proof_test", "override"})

_STOP_AFTER = re.compile(r"stop-after\s+(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTrust:
    """`guarded`: what its cells are warmed to is watched without the computer."""

    on_loss: LossRule = field(default_factory=LossRule)
    guarded: bool = False
    proof: ProofRecord | None = None
    override: Override | None = None


def read_trust(entry: Fields, device: str) -> DeviceTrust:
    """What is wrong goes on record; a proof test's record that cannot be used, as that file's."""
    rule = entry.take("on_controller_loss", _loss_rule)
    guard = entry.word("temperature_guard", ("none", "independent"))
    return DeviceTrust(
        on_loss=rule or LossRule(),
        guarded=guard == "independent",
        proof=_proof(entry, device),
        override=_override(entry),
    )


def refuse_unqualified(entry: Fields, device: str, trust: DeviceTrust, keeps: Keeps) -> None:
    """Where the rack file asks for more than the device does, as far as it tells without being connected to."""
    for obstacle in obstacles(trust.on_loss, keeps, guarded=trust.guarded):
        message = f"{device}: on_controller_loss: {trust.on_loss}: {obstacle.reason}"
        entry.refuse("on_controller_loss", "controller-loss", message, obstacle.remedy)


def _loss_rule(node: Node) -> LossRule:
    match = _STOP_AFTER.fullmatch(as_text(node))
    if match is None:
        return LossRule(word="finish-step" if as_word(node, ("stop", "finish-step")) == "finish-step" else "stop")
    quantity = parse_quantity(match[1], ("s",))
    if quantity.number <= 0:
        raise MistakeError("not-positive", f"{quantity} is not above 0")
    return LossRule(word="stop-after", after_s=quantity.number)


def _proof(entry: Fields, device: str) -> ProofRecord | None:
    name = entry.text("proof_test")
    if name is None:
        return None
    try:
        return load_proof(Path(entry.problems.file).parent / name, device=device)
    except InvalidFile as invalid:
        hint = "what is wrong with it stands by its own name"
        entry.refuse("proof_test", "proof-test", "proof_test: it cannot be used as it is", hint)
        entry.problems.found.extend(invalid.problems)
        return None


def _override(entry: Fields) -> Override | None:
    inner = entry.mapping("override", owner="`override`")
    if inner is None:
        return None
    by, reason = inner.text("by", required=True), inner.text("reason", required=True)
    expires = inner.take("expires", as_date, required=True)
    inner.close()
    return Override(by=by, reason=reason, expires=expires) if by and reason and expires else None
