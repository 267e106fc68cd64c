"""What is refused for the sake of people and cells, however well it reads."""


class Refused(Exception):
    """`code` is a stable word for programs, `hint` says what would have to be so."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
