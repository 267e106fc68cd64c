"""The promises of a driver as tests: inherit a class, say how to make a subject, and run pytest.

    class TestMyDriver(CyclerContract):
        def make_subject(self) -> MySubject: ...

A subject is a driver, a simulated device and the truth about its outputs. With a member `troubles` it also says what
can happen to its wire and its device (`cycler.contract.suite.troubles`). Call
`pytest.register_assert_rewrite("cycler.contract.suite")` in `conftest.py` to see the values behind a failure.
"""
