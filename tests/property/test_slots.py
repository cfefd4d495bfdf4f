"""Slots against a broker that loses, delays and refuses: never above the limit at any instant (OB-1017)."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from veritape.observer.slots import Command, SlotEvent, Slots
from veritape.wire.kis.frames import TRADES_KRX


class Exchange:
    """A broker with a limit of its own; answers wait until they are delivered, lost or overtaken."""

    def __init__(self, limit: int) -> None:
        self.limit, self.registered, self.answers = limit, set[str](), list[tuple[str, SlotEvent]]()
        self.limited = 0
        """Registrations that it had to refuse for its limit."""

    def receive(self, command: Command, fault: SlotEvent | None) -> None:
        """Do what a command says, or fail it."""
        code = command.code
        if fault is not None:
            self.answers.append((code, fault))
        elif not command.register:
            self.registered.discard(code)
            self.answers.append((code, SlotEvent.RELEASED))
        elif code not in self.registered and len(self.registered) >= self.limit:
            self.limited += 1
            self.answers.append((code, SlotEvent.LIMIT))
        else:
            self.registered.add(code)
            self.answers.append((code, SlotEvent.REGISTERED))


CODES = [f"{number:06}" for number in range(8)]
CONFIGURED = 4


class SlotModel(RuleBasedStateMachine):
    """OB-1017, OB-344: acks lost, late and out of order, refusals, reconnects: never above the limit."""

    def __init__(self) -> None:
        super().__init__()
        self.slots, self.now = Slots(CONFIGURED), 0
        self.broker = Exchange(CONFIGURED)

    @rule(limit=st.integers(1, CONFIGURED))
    def the_broker_allows_fewer(self, limit: int) -> None:
        self.broker.limit = limit

    @rule(codes=st.lists(st.sampled_from(CODES), max_size=6))
    def want(self, codes: list[str]) -> None:
        self.slots.want(codes)

    @rule(
        seconds=st.sampled_from([0, 1, 6]),
        fault=st.sampled_from([None, None, None, SlotEvent.INTERNAL_ERROR, SlotEvent.REFUSED]),
    )
    def step(self, seconds: int, fault: SlotEvent | None) -> None:
        self.now += seconds * 10**9
        command = self.slots.next_command(self.now)
        if isinstance(command, Command):
            self.broker.receive(command, fault if command.register else None)

    @precondition(lambda self: self.broker.answers)
    @rule(place=st.integers(0, 7), lost=st.booleans())
    def answer(self, place: int, lost: bool) -> None:
        """An answer arrives, out of order or never."""
        code, event = self.broker.answers.pop(place % len(self.broker.answers))
        if not lost:
            self.slots.happened(code, event)

    @precondition(lambda self: self.broker.registered)
    @rule(place=st.integers(0, 7))
    def data(self, place: int) -> None:
        self.slots.data(sorted(self.broker.registered)[place % len(self.broker.registered)], TRADES_KRX)

    @rule(code=st.sampled_from(CODES), event=st.sampled_from(list(SlotEvent)[1:]))
    def nonsense(self, code: str, event: SlotEvent) -> None:
        """What the broker never sends: matched by code alone, it may confuse, not exceed."""
        if event not in {SlotEvent.RELEASE, SlotEvent.UNANSWERED, SlotEvent.RELEASED, SlotEvent.CLOSED}:
            self.slots.happened(code, event)

    @rule()
    def reconnect(self) -> None:
        self.slots.connection_closed()
        assert self.slots.taken == 0
        self.broker.registered.clear()
        self.broker.answers.clear()

    @invariant()
    def never_above_the_limit(self) -> None:
        assert self.slots.taken <= self.slots.limit <= CONFIGURED
        assert len(self.slots.wanted) <= self.slots.limit


class OrderlyModel(RuleBasedStateMachine):
    """OB-1017, OB-344: at a broker that answers in order, late or never, nothing is ever refused for the limit."""

    def __init__(self) -> None:
        super().__init__()
        self.slots, self.now = Slots(CONFIGURED), 0
        self.broker = Exchange(CONFIGURED)

    @rule(codes=st.lists(st.sampled_from(CODES), max_size=6))
    def want(self, codes: list[str]) -> None:
        self.slots.want(codes)

    @rule(seconds=st.sampled_from([0, 1, 6]), fails=st.booleans())
    def step(self, seconds: int, fails: bool) -> None:
        self.now += seconds * 10**9
        command = self.slots.next_command(self.now)
        if isinstance(command, Command):
            refused = SlotEvent.REFUSED if command.code == CODES[0] else None
            error = SlotEvent.INTERNAL_ERROR if fails and command.code == CODES[1] else None
            self.broker.receive(command, (refused or error) if command.register else None)

    @precondition(lambda self: self.broker.answers)
    @rule(lost=st.booleans())
    def answer(self, lost: bool) -> None:
        code, event = self.broker.answers.pop(0)
        if not lost:
            self.slots.happened(code, event)

    @precondition(lambda self: self.broker.registered)
    @rule(place=st.integers(0, 7))
    def data(self, place: int) -> None:
        self.slots.data(sorted(self.broker.registered)[place % len(self.broker.registered)], TRADES_KRX)

    @rule()
    def reconnect(self) -> None:
        self.slots.connection_closed()
        self.broker.registered.clear()
        self.broker.answers.clear()

    @invariant()
    def the_broker_never_meets_its_limit(self) -> None:
        assert self.broker.limited == 0
        assert (self.slots.limit, self.slots.taken <= CONFIGURED) == (CONFIGURED, True)


for model in (SlotModel, OrderlyModel):
    model.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestSlotModel = SlotModel.TestCase
TestOrderlyModel = OrderlyModel.TestCase
