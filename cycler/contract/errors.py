"""The three ways in which a device can fail, told apart by what the caller does next."""


class DeviceError(Exception):
    """A device did not do what was asked. The text names the device, what came and what was expected."""

    def __init__(self, device: str, detail: str) -> None:
        super().__init__(f"{device}: {detail}")
        self.device = device
        self.detail = detail


class LinkError(DeviceError):
    """The wire failed or fell silent. Retry with back-off."""


class ProtocolError(DeviceError):
    """The answer made no sense: a wrong device, or our bug. Do not retry."""


class DeviceFault(DeviceError):
    """The device reports that it failed or refuses. Make the channel safe, call a person.

    `tripped`: it took the order, and a limit of its own opened the output before it was seen to run.
    """

    def __init__(self, device: str, detail: str, *, tripped: bool = False) -> None:
        super().__init__(device, detail)
        self.tripped = tripped
