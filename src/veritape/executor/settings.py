"""Settings of the executor, table ``[executor]`` (EX-661). What needs a proof has no setting until there is one."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from veritape.executor.aggregation.plans import AggregationConfig, Factors, Mode, Prices
from veritape.executor.image import DEFAULT_MEMORY_BYTES, MAX_MEMORY_BYTES, MIN_MEMORY_BYTES
from veritape.executor.runtime.presets import MEMORY_SHARE, PRESETS, Preset, PresetName
from veritape.executor.vm.execution import (
    HARD_MAX_CYCLES,
    HARD_MAX_INPUT_BYTES,
    HARD_MAX_JOURNAL_BYTES,
    MAX_CYCLES,
    MAX_INPUT_BYTES,
    MAX_JOURNAL_BYTES,
    Limits,
)
from veritape.kernel.settings import Settings

MAX_WORKERS = 1024
"""Most workers and threads that a setting may name."""


class RunSettings(Settings):
    """Table ``[executor.run]``: limits of an execution."""

    max_cycles: int = Field(MAX_CYCLES, ge=1, le=HARD_MAX_CYCLES)
    """Instructions that may retire."""
    max_work: int = Field(0, ge=0, le=4 * HARD_MAX_CYCLES)
    """Units of work: cycles, 64 for a SHA-256 block, 256 for a permutation; 0: four times the cycles."""


class CacheSettings(Settings):
    """Table ``[executor.cache]``: layers of the receipt cache; 0 and empty: the preset's."""

    memory_bytes: int = Field(0, ge=0)
    """Bytes of receipts in memory."""
    entries: int = Field(0, ge=0)
    """Receipts in memory."""
    disk_path: str = ""
    """Folder of the disk layer; empty: below the user's cache folder, or the run's."""
    disk_bytes: int = Field(0, ge=0)
    """Bytes on disk."""
    ttl_s: int = Field(0, ge=0)
    """Age at which an entry is let go from memory and disk; 0: none. Redis keeps entries for 7 days, or this."""
    redis_url: str = ""
    """Address of a Redis for several machines; empty: none."""
    secret_file: str = ""
    """File with at least 32 bytes that authenticate entries; Redis needs one, the disk layer makes its own."""


class AggregationSettings(Settings):
    """Table ``[executor.aggregation]``: the decider."""

    mode: Mode = Mode.THRESHOLDS
    """``thresholds``, or ``measured`` by costs of this machine."""
    min_proofs: int = Field(0, ge=0)
    """Fewer claims than this stay alone; 0: the preset's."""
    single_max: int = 50
    """Most claims of one level."""
    two_level_max: int = 500
    """Most claims of two levels."""
    arity: int = 10
    """Children of a node, 2 to 10."""


class PriceSettings(Settings):
    """Table ``[executor.prices]``: what the measured mode weighs costs with; 0: not weighed."""

    core_second: float = Field(0.0, ge=0)
    """Money for a second of one core."""
    gas_gwei: float = Field(0.0, ge=0)
    """Price of gas."""
    eth: float = Field(0.0, ge=0)
    """Money for one ether."""
    delay_second: float = Field(0.0, ge=0)
    """Money for a second that one claim waits."""


class ReceiptSettings(Settings):
    """Table ``[executor.receipts]``: what ``veritape compute`` writes."""

    path: str = "data/receipts"
    """Folder of the receipts, unless ``--receipts`` names one."""
    retention_days: int = Field(0, ge=0, le=36_500)
    """Days whose receipts are kept, counted back from the newest sealed day; 0: all."""


class HttpSettings(Settings):
    """Table ``[executor.http]``: the listener of ``veritape jobs serve``."""

    listen: str = ""
    """host:port of the jobs' listener; empty: off."""


class ExecutorSettings(Settings):
    """Table ``[executor]``."""

    preset: PresetName = PresetName.SMALL
    """Sizes that belong together: small, medium, large; single keys override them."""
    workers: int = Field(0, ge=0, le=MAX_WORKERS)
    """Worker processes; 0: the preset's, at most one a core."""
    threads_per_worker: int = Field(0, ge=0, le=MAX_WORKERS)
    """Threads of a worker; 0: what the cores leave."""
    pool: str = "process"
    """``process``, ``thread`` or ``dask:ADDRESS``."""
    memory_budget: float = Field(MEMORY_SHARE, gt=0)
    """Memory that running jobs may take together: a fraction up to 1 of what is available, or bytes."""
    queue_limit: int = Field(4000, ge=1)
    """Items that wait; more are refused or wait outside."""
    kill_grace_s: float = Field(5.0, ge=0)
    """Seconds that a worker gets to stop before it is killed."""
    input_bytes: int = Field(MAX_INPUT_BYTES, ge=0, le=HARD_MAX_INPUT_BYTES)
    """Longest input."""
    journal_bytes: int = Field(MAX_JOURNAL_BYTES, ge=0, le=HARD_MAX_JOURNAL_BYTES)
    """Longest journal."""
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    """RAM of a program of one's own, a power of two."""
    run: RunSettings = Field(default_factory=RunSettings)
    """Limits of an execution."""
    cache: CacheSettings = Field(default_factory=CacheSettings)
    """The receipt cache."""
    aggregation: AggregationSettings = Field(default_factory=AggregationSettings)
    """The decider."""
    prices: PriceSettings = Field(default_factory=PriceSettings)
    """Of the measured mode."""
    receipts: ReceiptSettings = Field(default_factory=ReceiptSettings)
    """Receipts over sealed segments."""
    http: HttpSettings = Field(default_factory=HttpSettings)
    """The jobs' listener."""

    @field_validator("memory_bytes")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if not MIN_MEMORY_BYTES <= value <= MAX_MEMORY_BYTES or value & (value - 1):
            raise ValueError(f"a power of two from {MIN_MEMORY_BYTES} to {MAX_MEMORY_BYTES}")
        return value

    @model_validator(mode="after")
    def _redis_has_a_secret(self) -> Self:
        if self.cache.redis_url and not self.cache.secret_file:
            raise ValueError("cache.redis_url needs cache.secret_file: entries there are authenticated")
        self.decider()
        return self

    def sizes(self) -> Preset:
        """Return the preset's sizes."""
        return PRESETS[self.preset]

    def limits(self) -> Limits:
        """Return the limits of an execution."""
        return Limits(self.run.max_cycles, self.journal_bytes, self.input_bytes, self.run.max_work or None)

    def decider(self) -> AggregationConfig:
        """Return the decider's configuration.

        Raises:
            MisuseError: thresholds that do not rise, or an arity out of range.
        """
        own, sizes = self.aggregation, self.sizes()
        factors: Factors = sizes.factors
        prices = Prices(**self.prices.model_dump())
        return AggregationConfig(
            own.mode,
            own.min_proofs or sizes.min_proofs,
            own.single_max,
            own.two_level_max,
            own.arity,
            factors,
            prices,
        )

    def budget_bytes(self, available_bytes: int) -> int:
        """Return the bytes that jobs may take together on a machine."""
        if self.memory_budget <= 1:
            return int(self.memory_budget * available_bytes)
        return int(self.memory_budget)


class ExecutorFile(Settings):
    """A configuration file; other parts' tables stand in files of their own."""

    executor: ExecutorSettings = Field(default_factory=ExecutorSettings)
    """The executor's table."""
