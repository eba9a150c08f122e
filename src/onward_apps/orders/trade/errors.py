"""What a broker may answer, each saying what to do next."""

from onward import OnwardError


class BrokerError(OnwardError):
    """The broker answered what nobody expects of it."""

    def __init__(self, call: str, status: int, text: str) -> None:
        self.call, self.status, self.text = call, status, text
        super().__init__(
            f"{call}: the broker answered {status}: {text[:300]}; compare the call with the broker's documentation"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return BrokerError, (self.call, self.status, self.text)


class Rejected(OnwardError):
    """The broker understood an order and does not take it. Trying it again would change nothing."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the broker does not take the order: {reason}")


class Throttled(OnwardError):
    """The broker asks to come again after some seconds."""

    def __init__(self, after: float) -> None:
        self.after = after
        super().__init__(f"the broker asks to come again in {after:g} s")


class ClientMissing(OnwardError):
    """The HTTP client is not installed."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("the trade app talks HTTP; install its client: pip install 'onward[http]'")


class BadStrategy(OnwardError):
    """The settings of a strategy do not make one."""
