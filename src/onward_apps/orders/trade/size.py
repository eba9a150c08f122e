"""Decisions and a market -> orders. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context, Decimal, localcontext

from .market import Asset, Market
from .model import Decisions, Order, Plan, Refusal
from .returns import weight as weight_of
from .symbols import symbol_of

LEAST = Decimal(1)
"""An order that is worth less is not sent, unless it closes a position."""

WHOLE = Decimal(1)
PART = Decimal("1e-9")
ZERO = Decimal(0)

_WIDE = Context(prec=50)

Refuse = Callable[[str, str], None]
"""Called with an asset and a reason."""


@dataclass(frozen=True)
class Rules:
    """How a portfolio may be invested.

    Args:
        cash_allocation: the part of the equity that stays cash, 0 to 1.
        shorts: whether it may sell what it does not have.
        fractional: whether it may hold parts of a share, where the broker allows it.
    """

    portfolio_id: int
    cash_allocation: Decimal = ZERO
    shorts: bool = False
    fractional: bool = True


@dataclass(frozen=True)
class _Move:
    asset_id: str
    held: Decimal
    target: Decimal
    weight: Decimal
    price: Decimal
    step: Decimal

    @property
    def delta(self) -> Decimal:
        """What to order now: from long to short, or back, the first order only closes."""
        return (ZERO if self.turns else self.target) - self.held

    @property
    def turns(self) -> bool:
        return self.held * self.target < 0

    @property
    def reduces(self) -> bool:
        return abs(self.held + self.delta) < abs(self.held)


def plan(decided: Decisions, market: Market, rules: Rules, seen: int) -> Plan:
    """The orders that bring the portfolio to what is decided, at most one for each asset.

    Target quantity = equity x (1 - cash allocation) x weight / ask (bid for shorts), cut to whole shares or to the
    broker's nine digits, never rounded up: what is too small is 0. What is held and not decided for is closed. Orders
    that free money go first, alone; what is left to do then is for a second round, which frees no more. Buys are cut
    to the buying power, the largest weights first.
    """
    with localcontext(_WIDE):
        return _planned(decided, market, rules, seen)


def _planned(decided: Decisions, market: Market, rules: Rules, seen: int) -> Plan:
    refusals: list[Refusal] = []

    def refuse(asset_id: str, reason: str) -> None:
        at = (decided.datadate, decided.decision_ts, decided.round)
        refusals.append(Refusal(rules.portfolio_id, asset_id, *at, by="sizing", reason=reason))

    wanted = {each.asset_id: each.weight * each.decision for each in decided.decisions}
    moves = [
        move
        for asset_id in (sorted({*wanted, *market.held}) if decided.round == 1 else decided.left)
        if (move := _move(asset_id, wanted.get(asset_id, ZERO), decided, market, rules, refuse)) is not None
    ]
    reducing = [move for move in moves if move.reduces]
    growing = [move for move in moves if not move.reduces]
    first = decided.round == 1 and reducing
    chosen = reducing if first else list(_affordable(growing, market, decided, refuse))
    return Plan(
        portfolio_id=rules.portfolio_id,
        account_id=market.account.id,
        decided=decided,
        seen=seen,
        order_ts=market.at,
        orders=[_order(move, decided, market, rules) for move in chosen],
        refusals=refusals,
        left=[move.asset_id for move in moves if move.turns or not move.reduces] if first else [],
    )


def _move(
    asset_id: str, weight: Decimal, decided: Decisions, market: Market, rules: Rules, refuse: Refuse
) -> _Move | None:
    asset: Asset | None = market.assets.get(asset_id)
    held = market.held.get(asset_id, ZERO)
    if not (weight or held):
        return None
    if asset is None or not asset.tradable or asset.status != "active":
        refuse(asset_id, "the broker does not know it" if asset is None else "the broker does not trade it now")
        return None
    if weight < 0 and not rules.shorts:
        refuse(asset_id, "the portfolio holds no shorts")
        weight = ZERO
    quote = market.quotes.get(asset_id)
    price = (quote.bid if weight < 0 or (not weight and held > 0) else quote.ask) if quote else ZERO
    if price <= 0:
        refuse(asset_id, "there is no quote for it")
        return None
    parts = decided.asset_type == "CRYPTO" or (rules.fractional and asset.fractionable and weight > 0)
    step = PART if parts else WHOLE
    capital = max(market.account.equity * (1 - rules.cash_allocation), ZERO)
    target = _cut(_WIDE.divide(capital * abs(weight), price), step).copy_sign(weight)
    if target < min(held, ZERO) and not (asset.shortable and asset.easy_to_borrow):
        refuse(asset_id, "it cannot be borrowed easily")
        target = min(held, ZERO)
    move = _Move(asset_id, held, target, weight, price, step)
    small = abs(move.delta) * price < LEAST and held + move.delta != 0
    return None if not move.delta or small else move


def _affordable(moves: list[_Move], market: Market, decided: Decisions, refuse: Refuse) -> Iterator[_Move]:
    account = market.account
    left = account.buying_power
    if decided.asset_type == "CRYPTO" and account.non_marginable_buying_power is not None:
        left = account.non_marginable_buying_power
    for move in sorted(moves, key=lambda move: (-abs(move.weight), move.asset_id)):
        size = min(abs(move.delta), _cut(_WIDE.divide(max(left, ZERO), move.price), move.step))
        if not size or (size < abs(move.delta) and size * move.price < LEAST):
            refuse(move.asset_id, "the buying power is used up")
            continue
        left -= size * move.price
        yield replace(move, target=move.held + size.copy_sign(move.delta))


def _order(move: _Move, decided: Decisions, market: Market, rules: Rules) -> Order:
    return Order(
        portfolio_id=rules.portfolio_id,
        asset_id=move.asset_id,
        asset_type=decided.asset_type,
        symbol=symbol_of(move.asset_id, decided.asset_type),
        datadate=decided.datadate,
        decision_ts=decided.decision_ts,
        round=decided.round,
        order_ts=market.at,
        side=1 if move.delta > 0 else -1,
        quantity=abs(move.delta),
        price=move.price,
        target_wgt=move.weight,
        real_wgt=weight_of((move.held + move.delta) * move.price, market.account.equity),
    )


def _cut(quantity: Decimal, step: Decimal) -> Decimal:
    return quantity.quantize(step, ROUND_FLOOR, _WIDE)
