"""The tables in the documentation say what the tests prove."""

import promise_table


def test_the_table_of_promises_is_up_to_date() -> None:
    text = promise_table.FILE.read_text()
    assert promise_table.updated(text) == text, "run: .venv/bin/python tests/helpers/promise_table.py"
