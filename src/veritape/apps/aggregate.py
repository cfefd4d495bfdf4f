"""``veritape aggregate``: one proof for many claims. Today it explains its decision; files are refused until there are proofs."""

import json
from pathlib import Path
from typing import Any

import click

from veritape.apps.executor_runtime import cost_file, executor_settings, usual_parallel
from veritape.apps.proof_files import read_proof
from veritape.apps.reported_errors import error_document, reports
from veritape.executor.adapters.workers.machine import memory_bytes
from veritape.executor.aggregation.decider import AggregationDecider, Decision
from veritape.executor.aggregation.estimates import CALLED, FAULTS
from veritape.executor.aggregation.plans import Context, Mode
from veritape.executor.settings import ExecutorSettings
from veritape.kernel.errors import MisuseError, PeerError

FEWEST = 2
"""Proofs that an aggregate has at least."""

SCHEMA = "veritape.aggregate/1"
"""Name and version of the documents."""


@click.command()
@click.argument("proofs", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the aggregate here.")
@click.option("--explain", is_flag=True, help="Print what would be decided and why; run nothing.")
@click.option(
    "--count", type=click.IntRange(0, 65_536), help="With --explain: so many claims, without files."
)
@click.option("--others", is_flag=True, help="With --explain: proofs of others, whose inputs are not here.")
@click.option("--mode", type=click.Choice([str(mode) for mode in Mode]), help="In place of aggregation.mode.")
@click.option("--arity", type=int, help="Children of a node, in place of aggregation.arity.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings of the executor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@reports(SCHEMA, "stark")
def aggregate(
    proofs: tuple[Path, ...],
    output: Path | None,
    explain: bool,
    count: int | None,
    others: bool,
    mode: str | None,
    arity: int | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Make one proof of the files PROOFS; exit 1 when one is refused.

    A simulated receipt is refused with simulated_not_proven: it was executed, not proven.

    Example: veritape aggregate --explain --count 50
    """
    del output
    settings = _chosen(executor_settings(config), mode, arity)
    if explain and count is not None and not proofs:
        document = explanation(settings, count, inputs_at_hand=not others)
        click.echo(json.dumps(document) if as_json else "\n".join(text(document)))
        return 0
    if count is not None or len(proofs) < FEWEST:
        raise MisuseError("too_few_proofs: give 2 files or more, or --explain --count N")
    for proof in proofs:
        try:
            read_proof(proof)
        except PeerError as error:
            document = {**error_document(SCHEMA, "stark", error), "file": str(proof)}
            click.echo(json.dumps(document) if as_json else f"refused: {proof}: {error.message}")
            return 1
    return 1


def _chosen(settings: ExecutorSettings, mode: str | None, arity: int | None) -> ExecutorSettings:
    """Return the settings with what the command line chose; the decider refuses what is out of range."""
    chosen = {"mode": None if mode is None else Mode(mode), "arity": arity}
    changed = {name: value for name, value in chosen.items() if value is not None}
    return settings.model_copy(update={"aggregation": settings.aggregation.model_copy(update=changed)})


def explanation(settings: ExecutorSettings, count: int, *, inputs_at_hand: bool) -> dict[str, Any]:
    """Return the decision for a number of claims with all that went into it; nothing is run."""
    used = usual_parallel(settings)
    budget = settings.budget_bytes(memory_bytes())
    context = Context(inputs_at_hand, used.workers, used.threads, memory_bytes=budget)
    decision = AggregationDecider(settings.decider(), cost_file().known()).decide(count, context)
    return {
        "schema": SCHEMA,
        "kind": "simulated",
        "ok": True,
        "reason": None,
        **_decided(decision),
        "why": decision.reason,
        "context": {**vars(context)},
        "estimate": None if decision.estimate is None else decision.estimate.shown(),
        "estimate_label": CALLED,
        "estimate_faults": list(FAULTS),
    }


def _decided(decision: Decision) -> dict[str, Any]:
    plan = {"label": str(decision.plan.label), "levels": list(decision.plan.levels)}
    logged = decision.logged()
    return {
        "claims": decision.count,
        "label": str(decision.label),
        "plan": plan,
        "mode": str(decision.mode),
        "candidates": logged["candidates"],
    }


def text(document: dict[str, Any]) -> list[str]:
    """Return the explanation for a person."""
    plan = document["plan"]
    lines = [
        f"{document['claims']} claims: {document['label']} ({document['mode']}); nothing was run and nothing is proven",
        f"why: {document['why']}",
        f"plan: {plan['label']}" + (f" {plan['levels']}" if plan["levels"] else ""),
    ]
    lines += [_candidate(one) for one in document["candidates"]]
    context = document["context"]
    lines.append(f"constraints: {context['workers']} workers, {context['memory_bytes']:,} bytes")
    if document["estimate"] is not None:
        lines.append(f"{document['estimate_label']}:")
        lines += [f"  {name} {value}" for name, value in document["estimate"].items()]
        lines += [f"  known fault: {fault}" for fault in document["estimate_faults"]]
    return lines


def _candidate(one: dict[str, Any]) -> str:
    bound = f", not possible: {one['binding']}" if one["binding"] else ""
    return f"  {one['plan']['label']}: {one['seconds']:.1f} s, {one['core_seconds']:.1f} core-s, cost {one['cost']:.4g}{bound}"
