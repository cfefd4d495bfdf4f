"""Settings: defaults, ranges, presets, and a line for each in the guide."""

from pathlib import Path

import pytest

from veritape.executor.aggregation.plans import Mode
from veritape.executor.runtime.presets import PresetName
from veritape.executor.settings import ExecutorFile, ExecutorSettings
from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import Settings, load_settings


def load(text: str) -> ExecutorSettings:
    return load_settings(ExecutorFile, text.encode(), {}, "VERITAPE_L2").executor


def test_the_defaults_are_those_of_the_table() -> None:
    """EX-661: small preset, process pool, 70 % of memory, queue of four batches, 5 s of grace, limits of section 3."""
    settings = load("")
    assert (settings.preset, settings.pool, settings.memory_budget) == (PresetName.SMALL, "process", 0.7)
    assert (settings.queue_limit, settings.kill_grace_s) == (4000, 5.0)
    limits = settings.limits()
    assert (limits.cycles, limits.journal_bytes, limits.input_bytes) == (1_000_000_000, 65_536, 67_108_864)
    assert limits.max_work == 4_000_000_000
    decider = settings.decider()
    assert (decider.mode, decider.min_proofs, decider.single_max, decider.two_level_max, decider.arity) == (
        Mode.THRESHOLDS, 6, 50, 500, 10,
    )  # fmt: skip


def test_a_preset_gives_sizes_and_single_keys_override_it() -> None:
    """EX-356: min_proofs and factors follow the preset unless they are set."""
    large = load('[executor]\npreset = "large"\n')
    assert (large.sizes().workers, large.decider().min_proofs, large.decider().factors.three_level) == (
        128,
        20,
        1000,
    )
    assert (
        load('[executor]\npreset = "large"\n[executor.aggregation]\nmin_proofs = 7\n').decider().min_proofs
        == 7
    )


def test_the_memory_budget_is_a_fraction_or_bytes() -> None:
    """EX-351: 0.7 of what is available, or a number of bytes."""
    assert load("").budget_bytes(1000) == 700
    assert load("[executor]\nmemory_budget = 5000\n").budget_bytes(1000) == 5000
    assert load("[executor.run]\nmax_work = 9\n").limits().max_work == 9


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[executor]\nworkerz = 1\n", "executor.workerz', the nearest known one is 'executor.workers'"),
        ("[executor.receipts]\nretention_days = -1\n", "executor.receipts.retention_days"),
        ("[executor]\npreset = 'huge'\n", "executor.preset"),
        ("[executor]\nworkers = 2000\n", "executor.workers"),
        ("[executor]\nmemory_bytes = 100000\n", "executor.memory_bytes"),
        ("[executor.run]\nmax_cycles = 0\n", "executor.run.max_cycles"),
        ("[executor.cache]\nredis_url = 'redis://x'\n", "cache.secret_file"),
        ("[executor.prices]\neth = -1.0\n", "executor.prices.eth"),
        ("[executor.aggregation]\nsingle_max = 500\n", "single_max"),
        ("[executor.aggregation]\narity = 11\n", "arity"),
    ],
)
def test_a_bad_key_is_named(text: str, named: str) -> None:
    """EX-661, EX-723: unknown keys and values out of range are errors that name the key; exit 2."""
    with pytest.raises(MisuseError, match=named) as caught:
        load(text)
    assert caught.value.exit_code == 2


def fields(settings: type[Settings], table: str) -> list[str]:
    found = []
    for name, field in settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            found += fields(inner, f"{table}{name}.")
        else:
            found.append(f"{table}{name}")
    return found


def test_every_setting_stands_in_the_guide() -> None:
    """EX-661: name, default and meaning of each key."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "executor.md").read_text()
    assert [name for name in fields(ExecutorSettings, "") if f"`{name}`" not in guide] == []
