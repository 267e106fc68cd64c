"""`cycler serve`: control of a rack, as long as the process lives."""

from cycler.cli.errors import explained
from cycler.cli.rack_option import RACK, RackFile


def serve(config: RackFile = RACK) -> None:
    """Run a rack: connect to its devices, and take commands until SIGTERM or Ctrl-C. Logs are JSON lines on stderr."""
    with explained():
        from cycler.cli.logs import json_logs  # noqa: PLC0415 (help must not wait for it)
        from cycler.service.serve import serve as run  # noqa: PLC0415

        json_logs()
        run(config)
