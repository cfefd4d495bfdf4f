"""The copy elsewhere without anybody asking: a backup every evening, a drill every week, the retention behind each backup.

Each runs in a thread, so that the recorder goes on; when the process is to end, it stops at the next object and is taken up
by the next start (OB-751, OB-762).
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from veritape.kernel.clock import Clock, SystemClock
from veritape.kernel.errors import VeritapeError
from veritape.observer import backup
from veritape.observer.adapters.backup.deleting import Deleting
from veritape.observer.adapters.backup.drilling import drill
from veritape.observer.adapters.backup.events import backup_entries, drill_entry
from veritape.observer.adapters.backup.records import Records, State
from veritape.observer.adapters.backup.sending import How, Sending, Sent
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import FolderTarget, StoreTarget, open_target, same_device
from veritape.observer.backup import MINUTE_NS, Schedule
from veritape.observer.log_events import LogEvent
from veritape.observer.recorder import kst
from veritape.observer.retention import Plan, Rules
from veritape.observer.settings import BackupSettings, RetentionSettings
from veritape.telemetry.adapters.audit_files import AuditFiles

ACTOR = "observer"
"""Who it is in the audit log."""


class Log(Protocol):
    """What is needed of a structured log."""

    def info(self, event: str, **fields: Any) -> Any:
        """Tell of something that was done."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Tell of something that needs someone."""
        ...


class Interrupted(Exception):  # noqa: N818 - the process is to end: nobody's error
    """A backup or a drill was stopped between two objects."""


@dataclass
class Upkeep:
    """What keeps one recording's backup."""

    source: Source
    """The recording."""
    backups: BackupSettings
    """Where to, when, how."""
    retention: RetentionSettings
    """How long files stay here."""
    version: str
    """Stands in the manifests."""
    clock: Clock
    """The recorder's clock: what 21:00 is."""
    log: Log
    """Takes the events."""
    seal: Callable[[], Awaitable[None]]
    """Seals the journal file that is being written, so that the backup has it."""
    indexed: Callable[[], None]
    """Told, in the event loop, when manifests were written."""
    state: State = field(init=False)
    """How the last runs went."""

    def __post_init__(self) -> None:
        self._records = Records(self.source.data)
        self._audit = AuditFiles(self.source.data, SystemClock())
        self._schedule = Schedule(backup.minute_of(self.backups.at), self.backups.drill_every_days)
        self._stopping = threading.Event()
        self.state = self._records.state()

    async def run(self) -> None:
        """Keep it until cancelled; returns at once without a target."""
        if not self.backups.targets:
            return
        targets = [open_target(url) for url in self.backups.targets]
        if same_device(targets, self.source.data):
            self.log.warning(LogEvent.BACKUP_ON_SAME_DISK, targets=len(targets))
        if not self.state.target_ns:
            self.state = self._records.change(target_ns=self.clock.wall_ns())
        try:
            while True:
                await self.clock.sleep_until(self.clock.monotonic_ns() + MINUTE_NS)
                await self._once(targets)
        finally:
            self._stopping.set()

    async def _once(self, targets: list[FolderTarget | StoreTarget]) -> None:
        """Do what is due; a command of the operator may have done it."""
        state, now_ns = self._records.state(), self.clock.wall_ns()
        done_ns = min(state.backup_ns or state.target_ns, now_ns)
        if now_ns >= self._schedule.backup_due_ns(done_ns, state.backup_failures, state.backup_failed_ns):
            await self.seal()
            await self._in_thread(self._backup, targets)
            self.indexed()
        state = self._records.state()
        drilled_ns = min(max(state.drill_ns, state.drill_failed_ns, state.target_ns), self.clock.wall_ns())
        if state.backup_ns and self.clock.wall_ns() >= self._schedule.drill_due_ns(drilled_ns):
            await self._in_thread(self._drill, targets[0])
        self.state = self._records.state()

    async def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            with self._records.alone():
                await asyncio.to_thread(work, *arguments)
        except Interrupted:
            return
        except (
            VeritapeError
        ) as error:  # the folder is held by a command: its result counts, look again in a minute
            self.log.warning(LogEvent.BACKUP_FAILED, reason="busy", error=error.message)

    def _backup(self, targets: list[FolderTarget | StoreTarget]) -> None:
        how = How(self.version, self.backups.verify)
        try:
            for target in targets:
                sending = Sending(self.source, target, self._records, how, SystemClock().wall_ns, self._told)
                self._sent(target.url, sending.run())
                sending.clean()
        except VeritapeError as error:
            failures = self._records.state().backup_failures + 1
            self._records.change(backup_failures=failures, backup_failed_ns=self.clock.wall_ns())
            self.log.warning(
                LogEvent.BACKUP_FAILED, reason=error.reason, error=error.message, failures=failures
            )
            return
        self._records.change(backup_ns=self.clock.wall_ns(), backup_failures=0)
        self._retain()

    def _sent(self, url: str, sent: list[Sent]) -> None:
        if sent:
            self._audit.append(*backup_entries(ACTOR, url, sent))
        new_objects, new_bytes = sum(one.new_objects for one in sent), sum(one.new_bytes for one in sent)
        self.log.info(
            LogEvent.BACKUP_MADE, target=url, days=len(sent), new_objects=new_objects, new_bytes=new_bytes
        )

    def _retain(self) -> None:
        """Delete what may go; tell of what should long be gone and of a disk that fills."""
        rules = Rules(**self.retention.model_dump())
        deleting = Deleting(self.source, self._records, rules, self._audit, ACTOR)
        plan = deleting.plan(kst(self.clock.wall_ns())[0])
        for event in deleting.run(plan):
            self.log.info(LogEvent.RETENTION_DELETED, **event)
        self._warn(plan)

    def _warn(self, plan: Plan) -> None:
        if plan.blocked:
            self.log.warning(LogEvent.RETENTION_BLOCKED, files=len(plan.blocked), oldest=plan.blocked[0])
        if plan.disk_warning:
            self.log.warning(LogEvent.DISK_FILLING, deleted=len(plan.delete))

    def _drill(self, target: FolderTarget | StoreTarget) -> None:
        now_ns = self.clock.wall_ns()
        try:
            proven = drill(target, None, self.source, None, self._told)
        except VeritapeError as error:
            self._records.change(drill_failed_ns=now_ns)
            self.log.warning(LogEvent.DRILL_FAILED, reason=error.reason, error=error.message)
            return
        self._audit.append(drill_entry(ACTOR, proven))
        if proven.passed:
            self._records.change(drill_ns=now_ns, drill_failed_ns=0)
            self.log.info(LogEvent.DRILL_PASSED, day=proven.day, files=proven.files, lines=proven.lines)
            return
        self._records.change(drill_failed_ns=now_ns)
        first = proven.differences[0]
        self.log.warning(
            LogEvent.DRILL_FAILED,
            reason=first.reason,
            error=first.detail,
            differences=len(proven.differences),
        )

    def _told(self, _what: str, _size: int) -> None:
        if self._stopping.is_set():
            raise Interrupted
