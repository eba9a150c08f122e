"""What the app is told: by the environment variables that its users know."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from onward import Secret

from .model import AssetType


def _env(name: str) -> Meta:
    return Meta(extra={"env": name})


class Settings(Struct, frozen=True):
    """Broker, portfolio, strategy and target. Durations as everywhere in Onward, money in the account's currency.

    Raises:
        ValueError: the target is no SQLite file.
    """

    api_key: Annotated[Secret, _env("API_KEY")] = Secret("")
    secret_key: Annotated[Secret, _env("SECRET_KEY")] = Secret("")
    base_url: Annotated[str, _env("BASE_URL")] = "https://paper-api.alpaca.markets"
    data_url: Annotated[str, _env("DATA_URL")] = "https://data.alpaca.markets"
    feed: Annotated[str, _env("FEED")] = ""
    target: Annotated[str, _env("TARGET")] = "sqlite:///paper_engine.db"

    strategy_id: Annotated[int, _env("STRATEGY_ID")] = 1
    strategy_type: Annotated[str, _env("STRATEGY_TYPE")] = "momentum"
    strategy_config: Annotated[str, _env("STRATEGY_CONFIG")] = "{}"
    asset_type: Annotated[AssetType, _env("ASSET_TYPE")] = "CRYPTO"
    interval: Annotated[str, _env("INTERVAL")] = "1d"
    lookback: Annotated[int, _env("LOOKBACK")] = 180
    requires_prev_weights: Annotated[bool, _env("REQUIRES_PREV_WEIGHTS")] = True

    portfolio_id: Annotated[int, _env("PORTFOLIO_ID")] = 1
    portfolio_name: Annotated[str, _env("PORTFOLIO_NAME")] = "paper"
    initial_portfolio_value: Annotated[Decimal | None, _env("INITIAL_PORTFOLIO_VALUE")] = None
    cash_allocation: Annotated[Decimal, _env("CASH_ALLOCATION")] = Decimal(0)
    dry_orders: Annotated[bool, _env("DRY_ORDERS")] = True
    shorts: Annotated[bool, _env("SHORTS")] = False
    fractional: Annotated[bool, _env("FRACTIONAL")] = True

    follow_every: Annotated[str, _env("FOLLOW_EVERY")] = "2s"
    until: Annotated[str, _env("UNTIL")] = ""

    def __post_init__(self) -> None:
        if not self.target.startswith("sqlite:///"):  # the text is not shown, as it may hold a password
            raise ValueError("TARGET: the tables of trade lie in a SQLite file; write sqlite:///FILE")
