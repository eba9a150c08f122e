"""The tables, declared as those of the files are: state and `<name>_event_log` each, keyed and hashed alike.

`<name>` with a time in its key is history, `<name>_latest` without it what is true now.
"""

from ..model import Entity

MONEY = "decimal(24,4)"
PRICE = "decimal(24,9)"
QUANTITY = "decimal(24,9)"
WEIGHT = "decimal(20,10)"
RETURN = "decimal(38,18)"

_ASSET = {"asset_id_type": "text", "asset_id": "text"}
_DECISION = {"decision_ts": "timestamp", "weight": WEIGHT, "decision": "integer"}
_ORDER = {
    "order_ts": "timestamp",
    "side": "integer",
    "asset_id_type": "text",
    "target_wgt": WEIGHT,
    "real_wgt": WEIGHT,
    "quantity": QUANTITY,
    "notional": MONEY,
}
_POSITION = {
    "position_ts": "timestamp",
    "side": "integer",
    "asset_id_type": "text",
    "wgt": WEIGHT,
    "quantity": QUANTITY,
    "price": PRICE,
    "notional": MONEY,
}
_PORTFOLIO = {
    "portfolio_ts": "timestamp",
    "long_notional": MONEY,
    "short_notional": MONEY,
    "total_notional": MONEY,
    "long_wgt": WEIGHT,
    "short_wgt": WEIGHT,
    "rtn": RETURN,
    "cum_rtn": RETURN,
    "long_rtn": RETURN,
    "long_cum_rtn": RETURN,
    "short_rtn": RETURN,
    "short_cum_rtn": RETURN,
}
_OF_ASSET = {"portfolio_id": "integer", "asset_id": "text"}

SPOT = Entity(
    "spot",
    {**_ASSET, "interval": "text", "open_time": "timestamp"}
    | dict.fromkeys(("open", "high", "low", "close"), PRICE)
    | {"volume": QUANTITY},
    key=["asset_id_type", "asset_id", "interval", "open_time"],
)

STRATEGY = Entity(
    "strategy",
    {"strategy_id": "integer", **_ASSET, "datadate": "timestamp", **_DECISION},
    key=["strategy_id", "asset_id_type", "asset_id", "datadate"],
)
STRATEGY_LATEST = Entity(
    "strategy_latest",
    {"strategy_id": "integer", **_ASSET, "datadate": "timestamp", **_DECISION},
    key=["strategy_id", "asset_id_type", "asset_id"],
)
STRATEGY_CONFIG = Entity(
    "strategy_config",
    {
        "strategy_id": "integer",
        "strategy_type": "text",
        "asset_type": "text",
        "interval": "text",
        "lookback": "integer",
        "strategy_config": "json",
        "strategy_hash": "text",
    },
    key="strategy_id",
)
STRATEGY_CONTROL = Entity(
    "strategy_control",
    {"strategy_id": "integer", "last_datadate": "timestamp", "last_decision_ts": "timestamp"},
    key="strategy_id",
)

ORDERS = Entity("orders", {**_OF_ASSET, **_ORDER}, key=["portfolio_id", "asset_id", "order_ts"])
ORDERS_LATEST = Entity("orders_latest", {**_OF_ASSET, **_ORDER}, key=["portfolio_id", "asset_id"])
ORDERS_CONFIG = Entity(
    "orders_config",
    {"portfolio_id": "integer", "strategy_id": "integer", "portfolio_name": "text", "account_id": "text"},
    key="portfolio_id",
)
ORDERS_CONTROL = Entity(
    "orders_control",
    {
        "portfolio_id": "integer",
        "plans": "integer",
        "planned_decision_ts": "timestamp",
        "planned_round": "integer",
        "last_read_delivery_id": "integer",
        "last_decision_datadate": "timestamp",
        "last_rebal_ts": "timestamp",
    },
    key="portfolio_id",
)
BROKER_ORDER = Entity(
    "broker_order",
    {
        **_OF_ASSET,
        "decision_ts": "timestamp",
        "round": "integer",
        "datadate": "timestamp",
        "client_order_id": "text",
        "order_id": "text",
        "symbol": "text",
        "side": "integer",
        "quantity": QUANTITY,
        "filled_quantity": QUANTITY,
        "filled_price": PRICE,
        "status": "text",
        "reason": "text",
    },
    key=["portfolio_id", "asset_id", "decision_ts", "round"],
)

POSITION = Entity("position", {**_OF_ASSET, **_POSITION}, key=["portfolio_id", "asset_id", "position_ts"])
POSITION_LATEST = Entity("position_latest", {**_OF_ASSET, **_POSITION}, key=["portfolio_id", "asset_id"])
PORTFOLIO = Entity("portfolio", {"portfolio_id": "integer", **_PORTFOLIO}, key=["portfolio_id", "portfolio_ts"])
PORTFOLIO_LATEST = Entity("portfolio_latest", {"portfolio_id": "integer", **_PORTFOLIO}, key="portfolio_id")
PORTFOLIO_CONTROL = Entity(
    "portfolio_control", {"portfolio_id": "integer", "last_monitor_ts": "timestamp"}, key="portfolio_id"
)

ENTITIES = (
    SPOT, STRATEGY, STRATEGY_LATEST, STRATEGY_CONFIG, STRATEGY_CONTROL,
    ORDERS, ORDERS_LATEST, ORDERS_CONFIG, ORDERS_CONTROL, BROKER_ORDER,
    POSITION, POSITION_LATEST, PORTFOLIO, PORTFOLIO_LATEST, PORTFOLIO_CONTROL,
)  # fmt: skip
