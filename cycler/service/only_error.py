"""What a tree of tasks died of."""


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that task groups wrapped; the group itself where there are several."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
