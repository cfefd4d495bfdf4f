"""Track B's engine: journalled inputs in, wanted codes and the decision log out (OB-301 to 306, OB-345 to 348, OB-391 to 394).

A pure function of its inputs, in their order: a running recorder writes each input into its journal and hands the same
bytes to the engine; a restarted one hands it the day's inputs again and is where it was; and whoever doubts a decision
does the same and compares the log byte for byte. An evaluation follows each sweep, each ranking, each expiry and each
refusal: what fired is scored, candidates are offered a slot in order of their score, and every answer is a line.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.observer import context
from veritape.observer.context import Provenance
from veritape.observer.decisions import Decision, Limits, Made, Seats
from veritape.observer.inputs import Input, rows_of, rules_of
from veritape.observer.overflow import Entry, OverflowLedger, OverflowReason
from veritape.observer.scores import MICRO, Scores
from veritape.observer.triggers import RULES, Firing, Histories, Snapshot, Trigger, ranking, trade_velocity

CANDIDATES: Final = 100
"""Candidates that one evaluation takes; the rest overflow (OB-304)."""


@dataclass
class Step:
    """What an input did."""

    line: bytes = b""
    """Line of the decision log; empty for an input that asks for no evaluation."""
    made: list[Made] = field(default_factory=list)
    """Decisions, in order."""
    fired: Counter[Trigger] = field(default_factory=Counter)
    """New candidates by trigger."""
    turned_away: list[Entry] = field(default_factory=list)
    """New entries of the overflow ledger."""


class TrackB:
    """One day's engine."""

    def __init__(self) -> None:
        self.day = ""
        """Business date."""
        self.configured: dict[str, Any] = {}
        """Settings in force, as they were journalled."""
        self.overflow = OverflowLedger()
        """Who was turned away."""
        self.refused: set[str] = set()
        """Codes that the broker refused today."""
        self.evaluations = 0
        """Lines of the decision log so far."""
        self._rules = dict(RULES)
        self._scores = Scores(self._rules, {})
        self.seats = Seats(self._scores, Limits(1))
        """The slots."""
        self._histories = Histories(self._rules, 1, 1, {})
        self._begun: dict[str, Any] = {}
        self._context_rows: dict[str, Snapshot] = {}
        self._context_s = 0
        self._halted: set[str] = set()
        self._now_ns = 0
        self._takers: dict[Input, Callable[[dict[str, Any], Step], None]] = {
            Input.BEGUN: self._take_begun,
            Input.CONFIGURED: self._take_configured,
            Input.SWEEP: self._take_sweep,
            Input.CONTEXT_SWEEP: self._take_context_sweep,
            Input.CONTEXT: self._take_context,
            Input.RANKING: self._take_ranking,
            Input.VELOCITY: self._take_velocity,
            Input.EXPIRY: self._take_expiry,
            Input.REFUSED: self._take_refused,
            Input.LIMIT: self._take_limit,
            Input.CLOSED: self._take_closed,
        }

    @property
    def begun(self) -> bool:
        """Whether the day has begun."""
        return bool(self._begun)

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return "closed" in self._begun

    @property
    def was_swept(self) -> bool:
        """Whether any sweep has told of the codes."""
        return bool(self._context_rows)

    @property
    def wanted(self) -> list[str]:
        """Return the codes that should hold a slot, by falling priority."""
        return self.seats.wanted(self._now_ns)

    @property
    def next_expiry_ns(self) -> int | None:
        """Return when an ``expiry`` is due, None when nothing is alive on a slot."""
        return self._scores.next_expiry(self.seats.held)

    def take(self, data: bytes) -> Step:
        """Take one input, a note of the journal."""
        fact = json.loads(data)
        self._now_ns = max(self._now_ns, fact["at_ns"])
        kind = Input(fact["input"])
        step = Step()
        self._takers[kind](fact, step)
        self._account(step)
        if kind not in {Input.BEGUN, Input.CONTEXT_SWEEP}:
            step.line = self._line(kind, blake3(data).hexdigest(), step)
        return step

    def _take_begun(self, fact: dict[str, Any], _: Step) -> None:
        self.day, self._begun = fact["day"], fact
        caps = {code: facts[0] for code, facts in fact["codes"].items()}
        shares = {code: facts[1] for code, facts in fact["codes"].items()}
        self._halted = {code for code, facts in fact["codes"].items() if facts[2]}
        self._scores.caps = caps
        self._histories = Histories(self._rules, fact["interval_s"], fact["cycles"], shares)

    def _take_configured(self, fact: dict[str, Any], step: Step) -> None:
        """Put settings in force; the first ones of a day fill the slots: the operator's list, then those wanted last."""
        self.configured = {name: fact[name] for name in ("rules", "limits", "pinned")}
        self._rules.update(rules_of(fact["rules"]))
        self.seats.limits = Limits(**fact["limits"])
        pinned = [code for code in fact["pinned"] if code not in self.refused][: self.seats.capacity]
        for code in list(self.seats.held):
            if code not in pinned:
                self.seats.pin(code, self._now_ns, pinned=False)
        for code in pinned:
            step.made += self.seats.pin(code, self._now_ns, pinned=True)
        step.fired.update(Trigger.MANUAL for made in step.made if made.decision is Decision.ALLOCATED)
        for code in self._begun.pop("carried", ()):
            known = code in self._begun["codes"] and code not in self.seats.held
            if known and len(self.seats.held) < self.seats.capacity:
                step.made.append(self.seats.take(code, self._now_ns, "carried"))
        step.made += self._shrink(None)

    def _take_sweep(self, fact: dict[str, Any], step: Step) -> None:
        rows = rows_of(fact)
        firings = self._histories.sweep(fact["grid_s"], rows)
        self._remember(fact["grid_s"], rows)
        self._evaluate(firings, step)

    def _take_context_sweep(self, fact: dict[str, Any], _: Step) -> None:
        rows = rows_of(fact)
        self._histories.seed(fact["grid_s"], rows)
        self._remember(fact["grid_s"], rows)

    def _take_ranking(self, fact: dict[str, Any], step: Step) -> None:
        rule = self._rules[Trigger.RANKING]
        strengths = (
            (code, ranking(rule, rank)) for code, rank in fact["ranks"] if code in self._begun["codes"]
        )
        self._evaluate(
            [Firing(code, Trigger.RANKING, strength) for code, strength in strengths if strength is not None],
            step,
        )

    def _take_velocity(self, fact: dict[str, Any], step: Step) -> None:
        """Refresh what holds a slot: the own stream says nothing of a code that it does not bring."""
        rule = self._rules[Trigger.TRADE_VELOCITY]
        strengths = (
            (code, trade_velocity(rule, trades))
            for code, trades in sorted(fact["trades"].items())
            if code in self.seats.held
        )
        self._evaluate(
            [Firing(code, Trigger.TRADE_VELOCITY, one) for code, one in strengths if one is not None], step
        )

    def _take_expiry(self, _: dict[str, Any], step: Step) -> None:
        self._scores.expire(self._now_ns)
        self._reconsider(step)

    def _take_refused(self, fact: dict[str, Any], step: Step) -> None:
        code = fact["code"]
        self.refused.add(code)
        if code in self.seats.held:
            step.made.append(self.seats.release(code, self._now_ns, "refused_code", Decision.REFUSED))
            self._reconsider(step)

    def _take_limit(self, fact: dict[str, Any], step: Step) -> None:
        self.seats.learned = fact["slots"]
        step.made += self._shrink(fact["code"])

    def _take_context(self, fact: dict[str, Any], step: Step) -> None:
        """Choose the slots anew from the context sweep; without one they stay as they are (OB-392)."""
        self.seats.settled = True
        if fact["provenance"] == Provenance.CONTEXT_FAILED or not self._context_rows:
            return
        now_ns, seats = self._now_ns, self.seats
        elapsed_s = self._context_s - self._begun["open_s"]
        shares = {code: facts[1] for code, facts in self._begun["codes"].items()}
        session_s = self._begun["close_s"] - self._begun["open_s"]
        ranks = context.ranks(self._context_rows, shares, elapsed_s, session_s)
        pinned = {code for code, seat in seats.held.items() if seat.pinned}
        ranked = sorted(
            (code for code in ranks if code not in pinned and self._may_be_candidate(code)),
            key=lambda code: (-ranks[code], -self._scores.caps.get(code, 0), code),
        )
        chosen = ranked[: seats.capacity - len(pinned)]
        for code in chosen:
            score = round(ranks[code] * MICRO)
            self._scores.give(code, context.NAME, score, now_ns, context.LIFETIME_S)
        leaving = [code for code in seats.held if code not in pinned and code not in chosen]
        step.made += [seats.release(code, now_ns, fact["provenance"]) for code in leaving]
        step.made += [
            seats.offer(code, now_ns) if code in seats.held else seats.take(code, now_ns, fact["provenance"])
            for code in chosen
        ]

    def _take_closed(self, _: dict[str, Any], __: Step) -> None:
        self._begun["closed"] = True
        self.overflow.close(self._now_ns, self._seen())

    def _remember(self, grid_s: int, rows: dict[str, Snapshot]) -> None:
        self._context_s, self._context_rows = grid_s, rows

    def _evaluate(self, firings: Iterable[Firing], step: Step) -> None:
        new = set()
        for firing in firings:
            if self._may_be_candidate(firing.code) and self._scores.fire(firing, self._now_ns):
                step.fired[firing.trigger] += 1
                new.add(firing.code)
        ordered = sorted(new, key=lambda code: self._scores.order(code, self._now_ns))
        step.made += [self.seats.offer(code, self._now_ns) for code in ordered[:CANDIDATES]]
        step.made += [self._cut(code) for code in ordered[CANDIDATES:]]

    def _reconsider(self, step: Step) -> None:
        """Offer slots once more to those that were turned away and are still alive; a refusal is no new entry."""
        now_ns = self._now_ns
        waiting = [
            code
            for code in self.overflow.waiting()
            if self._scores.best(code, now_ns)[0] and self._may_be_candidate(code)
        ]
        waiting.sort(key=lambda code: self._scores.order(code, now_ns))
        offers = [self.seats.offer(code, now_ns) for code in waiting[:CANDIDATES]]
        step.made += [made for made in offers if made.decision is not Decision.OVERFLOW]

    def _cut(self, code: str) -> Made:
        best = self._scores.best(code, self._now_ns)
        seat = self.seats.held.get(code)
        if seat is not None:
            return Made(code, Decision.KEPT, seat.index, *best, "held")
        weakest = self.seats.weakest(self._now_ns)
        return Made(code, Decision.OVERFLOW, None, *best, OverflowReason.CUT.value, weakest=weakest)

    def _shrink(self, refused: str | None) -> list[Made]:
        """Give up slots beyond the capacity: first the code that met the limit, then the weakest."""
        made = []
        while len(self.seats.held) > self.seats.capacity:
            weakest = self.seats.weakest(self._now_ns)
            last = max(self.seats.held, key=lambda code: self.seats.held[code].index)
            code = refused if refused in self.seats.held else weakest.code if weakest else last
            made.append(self.seats.release(code or last, self._now_ns, OverflowReason.LIMIT.value))
        return made

    def _may_be_candidate(self, code: str) -> bool:
        history = self._histories.by_code.get(code)
        went_back = history is not None and history.went_back
        return not went_back and code not in self._halted and code not in self.refused

    def _account(self, step: Step) -> None:
        """Open and close entries of the overflow ledger."""
        for made in step.made:
            history = self._histories.by_code.get(made.code)
            seen = history.last if history else None
            if made.decision in {Decision.ALLOCATED, Decision.REPLACED}:
                self.overflow.got_a_slot(self._now_ns, made.code, seen)
            elif made.decision is Decision.OVERFLOW or made.reason == OverflowReason.LIMIT:
                reason = OverflowReason(made.reason)
                best = (made.trigger, made.score_micro)
                entry = self.overflow.turned_away(self._now_ns, made.code, best, made.weakest, reason, seen)
                step.turned_away.append(entry)

    def _seen(self) -> dict[str, Snapshot]:
        return {code: one.last for code, one in self._histories.by_code.items() if one.last is not None}

    def _line(self, kind: Input, digest: str, step: Step) -> bytes:
        now_ns, seats = self._now_ns, self.seats
        line = canonical_json(
            {
                "n": self.evaluations,
                "at_ns": now_ns,
                "cause": kind.value,
                "inputs_blake3": digest,
                "thresholds": {
                    **{
                        name: rule["threshold_micro"]
                        for name, rule in self.configured.get("rules", {}).items()
                    },
                    "hysteresis": seats.hysteresis_micro(now_ns),
                    "dwell_s": seats.limits.dwell_s,
                    "slots": seats.capacity,
                },
                "decisions": [_decision(made) for made in step.made],
            }
        )
        self.evaluations += 1
        return line + b"\n"


def _decision(made: Made) -> dict[str, Any]:
    return {
        "code": made.code,
        "trigger": made.trigger,
        "score_micro": made.score_micro,
        "decision": made.decision.value,
        "slot": made.slot,
        "reason": made.reason,
        "released": made.released,
        "weakest": list(made.weakest) if made.weakest else None,
    }


def replay(inputs: Iterable[bytes]) -> tuple[TrackB, list[bytes]]:
    """Run the engine over journalled inputs; return it and the lines of the decision log."""
    engine = TrackB()
    return engine, [line for data in inputs if (line := engine.take(data).line)]
