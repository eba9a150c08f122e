"""What the broker refuses of an order, as it documents it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


class Refused(Exception):
    """An answer that is an error: its status, code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


@dataclass
class Listing:
    """An asset, and what may be done with it."""

    symbol: str
    asset_class: str = "us_equity"
    status: str = "active"
    tradable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True


def listed(listings: Mapping[str, Listing], said: Mapping[str, Any]) -> Listing:
    """The asset that an order is about.

    Raises:
        Refused: it is unknown, or not traded.
    """
    listing = listings.get(said.get("symbol", ""))
    if listing is None:
        raise Refused(422, 42210000, f'asset "{said.get("symbol")}" not found')
    if not listing.tradable or listing.status != "active":
        raise Refused(422, 42210000, f"asset {listing.symbol} is not tradable")
    return listing


def quantity(listing: Listing, said: Mapping[str, Any], held: Decimal) -> Decimal:
    """How much it is about.

    Raises:
        Refused: the order is not of a form that the broker takes.
    """
    if said.get("side") not in ("buy", "sell"):
        raise Refused(422, 40010001, "side is required")
    if said.get("type") != "market":
        raise Refused(422, 40010001, "the stand-in knows market orders only")
    qty = Decimal(said.get("qty") or 0)
    if qty <= 0 or qty != qty.quantize(Decimal("1e-9")):
        raise Refused(422, 40010001, "qty must be > 0, of nine decimals at most")
    crypto = listing.asset_class == "crypto"
    if said.get("time_in_force") not in (("gtc", "ioc") if crypto else ("day", "gtc")):
        raise Refused(422, 42210000, "invalid time_in_force")
    if not crypto and qty != qty.to_integral_value():
        if not listing.fractionable:
            raise Refused(403, 40310000, "requested asset is not fractionable")
        if said["time_in_force"] != "day":
            raise Refused(422, 42210000, "fractional orders must be DAY orders")
        if said["side"] == "sell" and held <= 0:
            raise Refused(422, 42210000, "fractional orders cannot be sold short")
    return qty


def covered(
    listing: Listing, side: str, qty: Decimal, held: Decimal, open_sides: Set[str], cost: Decimal, power: Decimal
) -> None:
    """That shares or money are there for it.

    Raises:
        Refused: they are not, or an order of the other side is open.
    """
    if open_sides - {side}:
        raise Refused(403, 40310000, "potential wash trade detected. use complex orders")
    if held > 0 if side == "sell" else held < 0:
        if qty > abs(held):
            message = f"insufficient qty available for order (requested: {qty}, available: {abs(held)})"
            raise Refused(403, 40310000, message)
        return
    if side == "sell" and not (listing.shortable and listing.asset_class == "us_equity"):
        raise Refused(422, 42210000, f'asset "{listing.symbol}" cannot be sold short')
    if cost > power:
        raise Refused(403, 40310000, "insufficient buying power")
