"""`users` and `runtime` of a rack file, and what they give to an account."""

import os
from pathlib import Path

import pytest

from cycler.recipe.problems import InvalidFile
from cycler.service.peers import MAY, login_of, peer_of
from cycler.service.rack_file import load_configuration

RACK = """\
rack: {id: R1}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: c-01/1}
"""


def rack(tmp_path: Path, more: str) -> Path:
    path = tmp_path / "rack.yaml"
    path.write_text(RACK + more)
    return path


def test_accounts_have_the_roles_that_the_rack_file_gives(tmp_path: Path) -> None:
    found = load_configuration(rack(tmp_path, "users: {ada: engineer, shift-1: operator}\nruntime: {path: run}\n"))
    assert found.users == {"ada": "engineer", "shift-1": "operator"}
    assert found.runtime == tmp_path / "run"
    assert load_configuration(rack(tmp_path, "")).runtime == Path("/run/cycler")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("users: {ada: enginer}", "did you mean engineer?"),
        ("users: {ada: }", "users|ada"),
        ("users: {a b: viewer}", "`a b` is no name of an account"),
        ("users: [ada]", "entries are due here"),
        ("runtime: {pfad: run}", "`pfad` is no key of `runtime`"),
    ],
)
def test_what_is_no_role_is_refused(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        load_configuration(rack(tmp_path, more + "\n"))


def test_nobody_has_a_role_but_root_the_service_itself_and_who_is_named() -> None:
    own = os.getuid()
    for uid in {0, own}:
        assert (found := peer_of(uid, {})) is not None and found.role == "admin"
    assert peer_of(54321, {}) is None
    named = peer_of(54321, {"54321": "viewer"})
    assert named is not None
    assert (named.user, named.may("status"), named.may("all-off")) == (login_of(54321), True, False)


def test_only_a_viewer_may_not_switch_everything_off() -> None:
    assert all(roles <= {*MAY["all-off"], "viewer"} for roles in map(set, MAY.values()))
