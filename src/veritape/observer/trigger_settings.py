"""Settings of the triggers (OB-981): one table each, with the defaults of OB-302."""

from typing import Annotated, ClassVar

from pydantic import Field

from veritape.kernel.settings import Settings
from veritape.observer.triggers import RULES, Rule, Trigger

LIFETIME = Field(ge=1, le=3_600)
"""Range of a lifetime, seconds."""

WEIGHT = Field(ge=0, le=100)
"""Range of a weight."""


class VolumeSurge(Settings):
    """``[triggers.volume_surge]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Whether an interval's volume may fire."""
    threshold: Annotated[float, Field(ge=1, le=100)] = RULES[Trigger.VOLUME_SURGE].threshold
    """Ratio to the mean of the earlier intervals, 1 to 100."""
    weight: Annotated[float, WEIGHT] = RULES[Trigger.VOLUME_SURGE].weight
    """Weight of its score, 0 to 100."""
    lifetime_seconds: Annotated[int, LIFETIME] = RULES[Trigger.VOLUME_SURGE].lifetime_s
    """Seconds for which its score holds, 1 to 3,600."""


class TradeVelocity(Settings):
    """``[triggers.trade_velocity]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Whether the own stream's pace refreshes a slot."""
    threshold: Annotated[float, Field(ge=1, le=1_000)] = RULES[Trigger.TRADE_VELOCITY].threshold
    """Trades a second over ten seconds, 1 to 1,000."""
    weight: Annotated[float, WEIGHT] = RULES[Trigger.TRADE_VELOCITY].weight
    """Weight of its score, 0 to 100."""
    lifetime_seconds: Annotated[int, LIFETIME] = RULES[Trigger.TRADE_VELOCITY].lifetime_s
    """Seconds for which its score holds, 1 to 3,600."""


class Volatility(Settings):
    """``[triggers.volatility]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Whether an interval's range may fire."""
    threshold: Annotated[float, Field(ge=1, le=100)] = RULES[Trigger.VOLATILITY].threshold
    """Ratio to the mean of the earlier ranges, 1 to 100."""
    weight: Annotated[float, WEIGHT] = RULES[Trigger.VOLATILITY].weight
    """Weight of its score, 0 to 100."""
    lifetime_seconds: Annotated[int, LIFETIME] = RULES[Trigger.VOLATILITY].lifetime_s
    """Seconds for which its score holds, 1 to 3,600."""


class PriceSpike(Settings):
    """``[triggers.price_spike]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Whether a price's step may fire."""
    threshold: Annotated[float, Field(ge=0.001, le=1)] = RULES[Trigger.PRICE_SPIKE].threshold
    """Logarithm of the step between two sweeps, 0.001 to 1."""
    weight: Annotated[float, WEIGHT] = RULES[Trigger.PRICE_SPIKE].weight
    """Weight of its score, 0 to 100."""
    lifetime_seconds: Annotated[int, LIFETIME] = RULES[Trigger.PRICE_SPIKE].lifetime_s
    """Seconds for which its score holds, 1 to 3,600."""


class Ranking(Settings):
    """``[triggers.ranking]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Whether the rankings are asked for: two calls a minute; paper accounts are not served."""
    threshold: Annotated[float, Field(ge=1, le=30)] = RULES[Trigger.RANKING].threshold
    """Lowest place that fires, 1 to 30."""
    weight: Annotated[float, WEIGHT] = RULES[Trigger.RANKING].weight
    """Weight of its score, 0 to 100."""
    lifetime_seconds: Annotated[int, LIFETIME] = RULES[Trigger.RANKING].lifetime_s
    """Seconds for which its score holds, 1 to 3,600."""


class TriggerSettings(Settings):
    """``[triggers]``"""  # noqa: D415 - a table's name

    ORDER: ClassVar = tuple(RULES)
    """Triggers with a table; the manual list has none."""

    volume_surge: VolumeSurge = VolumeSurge()
    """An interval's volume."""
    trade_velocity: TradeVelocity = TradeVelocity()
    """The own stream's pace."""
    volatility: Volatility = Volatility()
    """An interval's range."""
    price_spike: PriceSpike = PriceSpike()
    """A price's step."""
    ranking: Ranking = Ranking()
    """The broker's rankings."""

    def rules(self) -> dict[Trigger, Rule]:
        """Return what is in force."""
        tables = ((trigger, getattr(self, trigger.value)) for trigger in self.ORDER)
        return {
            trigger: Rule(float(table.threshold), float(table.weight), table.lifetime_seconds, table.enabled)
            for trigger, table in tables
        }
