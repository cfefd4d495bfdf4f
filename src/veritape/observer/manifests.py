"""Manifests of a backup: which files a day consists of, what its lines say, and the chain back to the first (OB-754, OB-755).

A backup is a heap of objects, each named by the hash of its content, and one manifest a day that names them. The manifest
is written when every object of it is there, so a day is in the backup or it is not. Each manifest holds the hash of the one
before it and ``LATEST`` the hash of the last one, so a changed, exchanged or removed manifest is found by walking back.

A manifest comes from outside (OB-992): ``parse`` returns one or raises a reason, for any bytes.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from blake3 import blake3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from veritape.kernel.canonical import canonical_json, parse_canonical_json
from veritape.kernel.errors import CheckFailedError, PeerError

FORMAT: Final = "veritape.manifest.v1"
"""Name of the document."""

LATEST: Final = "LATEST"
"""Name of the file that names the newest manifest."""

PATH_BYTES: Final = 1_024
"""Longest path of a file, bytes of UTF-8 (OB-755)."""

DIGEST: Final = r"^[0-9a-f]{64}$"
"""BLAKE3, lower-case hex."""

MANIFEST_NAME: Final = r"^[0-9]{8}-[1-9][0-9]{0,5}$"
"""Day and the ordinal of its manifests."""


ModelT = TypeVar("ModelT", bound=BaseModel)


class BackupReason(StrEnum):
    """Why a backup, a restore or a drill is not what it should be."""

    BAD_PATH = "bad_path"
    """A path is absolute, leaves the folder, is a link or longer than 1,024 bytes (OB-755)."""
    BAD_MANIFEST = "bad_manifest"
    """Bytes that are no manifest, or one of an unknown format."""
    CHAIN_BROKEN = "chain_broken"
    """A manifest is missing, or not the one that its successor or ``LATEST`` names."""
    OBJECT_MISSING = "object_missing"
    """An object that a manifest names is not at the target."""
    OBJECT_CORRUPT = "object_corrupt"
    """An object's bytes have another hash than its name says."""
    BACKUP_CORRUPT = "backup_corrupt"
    """What was sent, and sent again, reads back differently (OB-756)."""
    SEAL_BROKEN = "seal_broken"
    """A restored journal file or segment is not what its own seal says, or the chain of seals is interrupted."""
    AUDIT_DIFFERS = "audit_differs"
    """The audit of the restored files, the manifest and the live recording do not state the same figures."""


def path_problem(path: str) -> str | None:
    """Return what is wrong with a file's path, None for a good one (OB-755); links are for the caller to see."""
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or "\0" in path:
        return "must be relative, with / between its parts"
    if any(part in {"", ".", ".."} for part in parts) or parts[0].endswith(":"):
        return "must stay in its folder"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "must be UTF-8"
    return f"is longer than {PATH_BYTES} bytes" if size > PATH_BYTES else None


def _good_path(path: str) -> str:
    problem = path_problem(path)
    if problem is not None:
        raise ValueError(f"{BackupReason.BAD_PATH}: {path[:80]!r} {problem}")
    return path


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class FileEntry(_Part):
    """One file of a day."""

    path: Annotated[str, AfterValidator(_good_path)]
    """Where it lies in the data folder."""
    bytes: Annotated[int, Field(ge=0)]
    """Its size."""
    blake3: Annotated[str, Field(pattern=DIGEST)]
    """Its content."""


class Totals(_Part):
    """A quantity in which a line closes."""

    trades: int
    """Counted trades."""
    shares: int | None
    """Shares; of Binance quantity times 10^8, null where a missing trade's is unknown."""
    value_krw: int | None
    """Won; of Binance value times 10^16, null likewise."""


class LineEnd(_Part):
    """The end anchor of a line."""

    trades: int | None
    """Trades of the day; null while only a range is known."""
    shares: int | None
    """Shares of the day; of Binance null while trades are missing."""
    value_krw: int | None
    """Won of the day; likewise."""


class LineFigures(_Part):
    """What the audit of the day said of one line; a drill must find the same."""

    anchor: LineEnd | None
    """Its end; null without one."""
    recorded: Totals
    """Sum of the recorded trades."""
    backfilled: Totals
    """Sum of the fetched ones."""
    residual: Totals
    """Sum of what is missing."""
    status: str
    """What can be said of it (OB-614)."""


class Link(_Part):
    """A manifest by name and content."""

    name: Annotated[str, Field(pattern=MANIFEST_NAME)]
    """YYYYMMDD-n."""
    blake3: Annotated[str, Field(pattern=DIGEST)]
    """Hash of its bytes."""


class LogHead(_Part):
    """Where the audit log stood: a log that was cut since is shorter (TL-668)."""

    seq: Annotated[int, Field(ge=0)]
    """Number of its last record."""
    hash: Annotated[str, Field(pattern=DIGEST)]
    """Hash of that record."""


class Manifest(_Part):
    """One day of a backup."""

    format: Literal["veritape.manifest.v1"] = FORMAT
    """Name of the document."""
    venue: str
    """Whose lines these are."""
    day: Annotated[str, Field(pattern=r"^[0-9]{8}$")]
    """Business date."""
    created_ns: Annotated[int, Field(ge=0)]
    """The machine's wall clock when the files were listed."""
    files: tuple[FileEntry, ...]
    """By path; the same content under two paths is one object."""
    lines: dict[str, LineFigures]
    """Code -> its figures."""
    last_seal: str
    """Hash of the day's last seal document; empty when no hour is sealed."""
    audit_log: LogHead | None = None
    """Head of the audit log; null where there is none."""
    previous: Link | None
    """The manifest written before this one; null in the first."""
    veritape: str
    """Version that wrote it."""

    def digests(self) -> dict[str, int]:
        """Return the objects that it names, with their sizes."""
        return {entry.blake3: entry.bytes for entry in self.files}


class Written(NamedTuple):
    """A manifest with the bytes that hold it."""

    name: str
    """YYYYMMDD-n."""
    content: bytes
    """Its bytes."""
    manifest: Manifest
    """What they say."""

    @property
    def link(self) -> Link:
        """Return what names it."""
        return Link(name=self.name, blake3=digest(self.content))


def digest(data: bytes) -> str:
    """Return the hash that names an object or a manifest."""
    return blake3(data).hexdigest()


def object_name(blake3_hex: str) -> str:
    """Return where an object lies at the target (OB-753)."""
    return f"objects/{blake3_hex[:2]}/{blake3_hex}"


def manifest_path(name: str) -> str:
    """Return where a manifest lies at the target."""
    return f"manifests/{name}.json"


def encode(manifest: Manifest) -> bytes:
    """Return a manifest's bytes, its files sorted by path."""
    document = manifest.model_dump()
    document["files"] = sorted(document["files"], key=lambda entry: entry["path"])
    return canonical_json(document)


def parse(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        PeerError: ``bad_path`` or ``bad_manifest``.
    """
    manifest = _validated(Manifest, data, "manifest")
    paths = [entry.path for entry in manifest.files]
    if paths != sorted(set(paths)):
        raise PeerError("not a manifest: its files are not in order", BackupReason.BAD_MANIFEST)
    return manifest


def encode_latest(link: Link) -> bytes:
    """Return the content of ``LATEST``."""
    return canonical_json(link.model_dump())


def parse_latest(data: bytes) -> Link:
    """Read ``LATEST``.

    Raises:
        PeerError: ``bad_manifest``.
    """
    return _validated(Link, data, LATEST)


def follow(link: Link, content: bytes | None) -> Written:
    """Return the manifest that a link names.

    Args:
        link: from ``LATEST`` or the manifest after it.
        content: what lies under its name; None when nothing does.

    Raises:
        CheckFailedError: ``chain_broken``.
        PeerError: ``bad_path`` or ``bad_manifest``: the right bytes, and yet no manifest.
    """
    if content is None:
        raise CheckFailedError(f"manifest {link.name} is missing", BackupReason.CHAIN_BROKEN)
    if digest(content) != link.blake3:
        raise CheckFailedError(
            f"manifest {link.name} is not the one that was written", BackupReason.CHAIN_BROKEN
        )
    manifest = parse(content)
    if not link.name.startswith(f"{manifest.day}-"):
        raise CheckFailedError(f"manifest {link.name} is of day {manifest.day}", BackupReason.CHAIN_BROKEN)
    return Written(link.name, content, manifest)


def successor(head: Link | None, loose: Iterable[Written]) -> Written | None:
    """Return the manifest that continues a chain although ``LATEST`` does not name it yet.

    A backup that was killed between writing its manifest and ``LATEST`` left one: everything that it names is there, so the
    next backup goes on from it. Two of them mean that two machines write to one target.

    Raises:
        CheckFailedError: ``chain_broken``: more than one manifest continues the chain.
    """
    found = [one for one in loose if one.manifest.previous == head]
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        raise CheckFailedError(
            f"manifests {names} both follow {head.name if head else 'nothing'}: does another machine write here?",
            BackupReason.CHAIN_BROKEN,
        )
    return found[0] if found else None


def next_name(day: str, taken: Iterable[str]) -> str:
    """Return the name of a day's next manifest."""
    numbers = [int(name.rpartition("-")[2]) for name in taken if name.startswith(f"{day}-")]
    return f"{day}-{max(numbers, default=0) + 1}"


def figures(audit: Mapping[str, Any]) -> dict[str, LineFigures]:
    """Return what a manifest keeps of an audit document (OB-678)."""
    return {line["code"]: _figures(line) for line in audit["lines"]}


def _figures(line: Mapping[str, Any]) -> LineFigures:
    names = ("trades", "shares", "value_krw")
    anchor = line["anchor"]
    return LineFigures(
        anchor=None if anchor is None else LineEnd(**{name: anchor[name] for name in names}),
        status=line["status"],
        **{
            part: Totals(**{name: line[part][name] for name in names})
            for part in ("recorded", "backfilled", "residual")
        },
    )


def _validated(model: type[ModelT], data: bytes, what: str) -> ModelT:
    try:
        value = parse_canonical_json(data)
        if isinstance(value, dict) and isinstance(value.get("files"), list):
            value = {**value, "files": tuple(value["files"])}
        return model.model_validate(value)
    except PeerError as error:
        raise PeerError(f"not a {what}: {error.message}", BackupReason.BAD_MANIFEST) from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        reason = (
            BackupReason.BAD_PATH if BackupReason.BAD_PATH in problem["msg"] else BackupReason.BAD_MANIFEST
        )
        place = ".".join(str(part) for part in problem["loc"])
        raise PeerError(f"not a {what}: {place}: {problem['msg']}", reason) from error
