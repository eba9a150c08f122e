"""How an asset is called here, and how the broker wants it: BTCUSD and BTC/USD."""

_QUOTES = ("USDT", "USDC", "USD", "BTC")


def asset_of(symbol: str) -> str:
    """The `asset_id` of a symbol of the broker."""
    return symbol.replace("/", "")


def symbol_of(asset_id: str, asset_type: str) -> str:
    """The broker's symbol: crypto pairs have a slash before the money that they are quoted in."""
    if asset_type != "CRYPTO":
        return asset_id
    quote = next((quote for quote in _QUOTES if asset_id.endswith(quote)), asset_id[-3:])
    return f"{asset_id.removesuffix(quote)}/{quote}"
