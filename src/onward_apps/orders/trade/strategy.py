"""Prices -> decisions. Pure: the same closes give the same decisions, digit by digit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal
from hashlib import sha256

import msgspec

from .errors import BadStrategy
from .model import Decision

WEIGHT = Decimal("1e-10")
"""The last digit that a weight has."""

_WIDE = Context(prec=50)

Closes = Mapping[str, Sequence[Decimal]]
Scores = dict[str, Decimal]


@dataclass(frozen=True)
class Strategy:
    """A strategy as it is configured.

    Args:
        type: one of STRATEGIES.
        lookback: intervals that it looks back; an asset with fewer is left out.
        assets: what it may hold.
        weights: `score` gives each asset its share of all scores, `equal` the same to each.
        turnover: the most that a weight moves from one decision to the next, None for no bound. It needs the
            weights of the decision before.
        gross: the sum of all weights, at most.
    """

    type: str
    lookback: int
    assets: tuple[str, ...] = ()
    weights: str = "score"
    turnover: Decimal | None = None
    gross: Decimal = Decimal(1)
    config: dict[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, type: str, lookback: int, config: str, *, previous: bool) -> "Strategy":
        """
        Args:
            config: a JSON object with any of assets, weights, turnover, gross.
            previous: whether the weights of the decision before will be given.

        Raises:
            BadStrategy: the sentence names what is wrong.
        """
        try:
            given = msgspec.json.decode(config or "{}", type=dict[str, object])
            made = msgspec.convert(
                given, msgspec.defstruct("Config", _CONFIG, forbid_unknown_fields=True), strict=False
            )
        except msgspec.DecodeError as error:
            raise BadStrategy(f"STRATEGY_CONFIG: {error}; it is a JSON object like {_EXAMPLE}") from None
        if type not in STRATEGIES:
            raise BadStrategy(f"STRATEGY_TYPE is {type!r}; it may be {', '.join(STRATEGIES)}")
        if lookback < 1:
            raise BadStrategy(f"LOOKBACK is {lookback}; it is at least 1")
        if made.turnover is not None and not previous:
            raise BadStrategy("STRATEGY_CONFIG has a turnover; that needs REQUIRES_PREV_WEIGHTS=True")
        if made.weights not in ("score", "equal") or made.gross < 0 or (made.turnover or 0) < 0:
            raise BadStrategy(
                "STRATEGY_CONFIG: weights is score or equal, gross and turnover are not negative;"
                f" it is an object like {_EXAMPLE}"
            )
        return cls(type, lookback, made.assets, made.weights, made.turnover, made.gross, given)

    @property
    def hash(self) -> str:
        """SHA-256 hex of what decides: type, lookback and configuration."""
        return sha256(msgspec.json.encode([self.type, self.lookback, self.config], order="sorted")).hexdigest()

    def decide(self, closes: Closes, previous: Mapping[str, Decimal] | None = None) -> list[Decision]:
        """Decisions in order of asset; assets without enough closes have none.

        Args:
            closes: per asset, oldest first; the last `lookback + 1` count.
            previous: the signed weights of the decision before.
        """
        need = self.lookback + 1
        enough = {asset: list(values)[-need:] for asset, values in sorted(closes.items()) if len(values) >= need}
        weights = _weights(STRATEGIES[self.type](enough), self)
        if self.turnover is not None:
            weights = _moved(previous or {}, weights, self.turnover)
        return [
            Decision(asset, -1 if weight < 0 else 1, abs(weight))
            for asset, weight in sorted(weights.items())
            if asset in enough or weight
        ]


def _momentum(closes: Closes) -> Scores:
    """How much each has risen over the lookback; who fell is short."""
    return {asset: _WIDE.divide(values[-1], values[0]) - 1 for asset, values in closes.items() if values[0]}


def _reversal(closes: Closes) -> Scores:
    """What fell comes back."""
    return {asset: -score for asset, score in _momentum(closes).items()}


def _hold(closes: Closes) -> Scores:
    return dict.fromkeys(closes, Decimal(1))


STRATEGIES: dict[str, Callable[[Closes], Scores]] = {"momentum": _momentum, "reversal": _reversal, "hold": _hold}

_CONFIG = [
    ("assets", tuple[str, ...], ()),
    ("weights", str, "score"),
    ("turnover", Decimal | None, None),
    ("gross", Decimal, Decimal(1)),
]
_EXAMPLE = '{"assets": ["BTCUSD", "ETHUSD"], "weights": "equal"}'


def _weights(scores: Scores, strategy: Strategy) -> dict[str, Decimal]:
    """Signed weights whose sizes add up to `gross` or a little less: each is cut, never rounded up."""
    sizes = {a: (Decimal(bool(s)) if strategy.weights == "equal" else abs(s)) for a, s in scores.items()}
    total = sum(sizes.values(), Decimal(0))
    if not total:
        return dict.fromkeys(scores, Decimal(0))
    return {
        asset: _WIDE.divide(size * strategy.gross, total).quantize(WEIGHT, ROUND_DOWN).copy_sign(scores[asset])
        for asset, size in sizes.items()
    }


def _moved(before: Mapping[str, Decimal], wanted: Mapping[str, Decimal], most: Decimal) -> dict[str, Decimal]:
    found = {}
    for asset in {*before, *wanted}:
        start = before.get(asset, Decimal(0))
        step = wanted.get(asset, Decimal(0)) - start
        found[asset] = start + max(-most, min(most, step))
    return found
