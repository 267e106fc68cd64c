"""`users` of a rack file: who may command the service."""

import re
from collections.abc import Mapping
from typing import Final, cast

from cycler.model.audit import ROLES, Role
from cycler.recipe.fields import Fields
from cycler.recipe.problems import shown

_LOGIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}", re.ASCII)


def read_users(fields: Fields) -> Mapping[str, Role]:
    """`users: {ada: engineer, shift1: operator}`, by the names of accounts. Nobody else has a role."""
    users: dict[str, Role] = {}
    entries = fields.mapping("users", owner="`users`")
    if entries is None:
        return users
    for name in entries.node.entries:
        role = entries.word(name, ROLES)
        if not _LOGIN.fullmatch(name):
            entries.refuse(name, "account", f"{shown(name)} is no name of an account")
        elif role is not None:
            users[name] = cast(Role, role)
    return users
