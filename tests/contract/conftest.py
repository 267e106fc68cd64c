"""A failing promise shows the values behind it."""

import pytest

pytest.register_assert_rewrite("cycler.contract.suite")
