"""Manifests: paths, bytes, the chain."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import CheckFailedError, PeerError
from veritape.observer import manifests
from veritape.observer.manifests import (
    BackupReason,
    FileEntry,
    LineEnd,
    LineFigures,
    Link,
    Manifest,
    Totals,
    Written,
)

ZERO = Totals(trades=0, shares=0, value_krw=0)


def entry(path: str, content: bytes = b"x") -> FileEntry:
    return FileEntry(path=path, bytes=len(content), blake3=manifests.digest(content))


def manifest(day: str = "20131007", previous: Link | None = None, *files: FileEntry) -> Manifest:
    return Manifest(
        venue="KRX", day=day, created_ns=5, files=files or (entry("journal/KRX/a.vtj"),), lines={}, last_seal="",
        previous=previous, veritape="0.1.0",
    )  # fmt: skip


def written(day: str = "20131007", previous: Link | None = None, number: int = 1) -> Written:
    one = manifest(day, previous)
    return Written(f"{day}-{number}", manifests.encode(one), one)


def refusal(data: bytes) -> BackupReason:
    with pytest.raises(PeerError) as caught:
        manifests.parse(data)
    assert isinstance(caught.value.reason, BackupReason)
    return caught.value.reason


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../token", "a/../../b", "a//b", "a/./b", "a/", "C:/x", "a\\b", "a\0b", "x" * 1025, "é" * 513, "\ud800"],
)  # fmt: skip
def test_a_path_that_could_leave_its_folder_is_bad(path: str) -> None:
    """OB-755: relative, / separators, no .., no absolute part, at most 1,024 bytes; else bad_path."""
    assert manifests.path_problem(path) is not None


@pytest.mark.parametrize(
    "path", ["control.db", "trades/venue=KRX/day=20131007/09.seal.json", "x" * 1024, "a..b/.c"]
)
def test_a_path_inside_its_folder_is_good(path: str) -> None:
    """OB-755: nothing else is refused."""
    assert manifests.path_problem(path) is None


def test_a_bad_path_in_a_manifest_is_refused() -> None:
    """OB-755, OB-991: a manifest comes from outside: a path with .. is bad_path, an unknown format bad_manifest."""
    document = json.loads(manifests.encode(manifest()))
    for path in ("../../home/.ssh/authorized_keys", "/etc/cron.d/x"):
        document["files"][0]["path"] = path
        assert refusal(canonical_json(document)) is BackupReason.BAD_PATH
    document["files"][0]["path"] = "fine"
    assert manifests.parse(canonical_json(document)).files[0].path == "fine"
    document["format"] = "veritape.manifest.v2"
    assert refusal(canonical_json(document)) is BackupReason.BAD_MANIFEST


def test_a_manifest_is_canonical_and_comes_back_as_it_was() -> None:
    """OB-754: canonical JSON, files sorted by path, the figures of the lines, the last seal, the previous manifest."""
    figures = LineFigures(
        anchor=LineEnd(trades=3, shares=4, value_krw=5),
        recorded=ZERO,
        backfilled=ZERO,
        residual=ZERO,
        status="residual",
    )
    link = Link(name="20131004-2", blake3="0" * 64)
    one = manifest("20131007", link, entry("b"), entry("a")).model_copy(
        update={"lines": {"990001": figures}, "last_seal": "f" * 64}
    )
    data = manifests.encode(one)
    assert data.startswith(b'{"audit_log":null,"created_ns":5,"day":"20131007","files":[{"blake3":"')
    again = manifests.parse(data)
    assert [file.path for file in again.files] == ["a", "b"]
    assert (again.lines, again.previous, again.last_seal) == ({"990001": figures}, link, "f" * 64)
    assert manifests.encode(again) == data


def test_files_out_of_order_or_named_twice_are_no_manifest() -> None:
    """OB-754: sorted by path, each once."""
    document = json.loads(manifests.encode(manifest("20131007", None, entry("a"), entry("b"))))
    for files in (document["files"][::-1], document["files"][:1] * 2):
        assert refusal(canonical_json({**document, "files": files})) is BackupReason.BAD_MANIFEST


@given(st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4).map(json.dumps).map(str.encode))  # fmt: skip
def test_any_bytes_are_a_manifest_or_a_reason(data: bytes) -> None:
    """OB-992: never another exception."""
    for read in (manifests.parse, manifests.parse_latest):
        with pytest.raises(PeerError) as caught:
            read(data)
        assert caught.value.reason is BackupReason.BAD_MANIFEST


@given(st.data())
def test_a_damaged_manifest_is_one_or_a_reason(data: st.DataObject) -> None:
    """OB-992: any value in any place: a manifest or bad_manifest or bad_path, never another exception."""
    document: dict[str, Any] = json.loads(manifests.encode(manifest()))
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(
        st.none() | st.integers() | st.text(max_size=9) | st.just([{"path": "a"}]) | st.just({"a": 1})
    )
    try:
        content = canonical_json(document)
    except ValueError:
        return
    reason = None
    try:
        manifests.parse(content)
    except PeerError as error:
        reason = error.reason
    assert reason in {None, BackupReason.BAD_MANIFEST, BackupReason.BAD_PATH}


def test_a_chain_is_followed_by_hash() -> None:
    """OB-763: missing, changed and exchanged manifests are chain_broken."""
    one, other = written("20131007"), written("20131008")
    assert manifests.follow(one.link, one.content) == one
    exchanged = Link(name=other.name, blake3=one.link.blake3)
    for link, content in ((one.link, None), (one.link, other.content), (exchanged, one.content)):
        with pytest.raises(CheckFailedError) as caught:
            manifests.follow(link, content)
        assert caught.value.reason is BackupReason.CHAIN_BROKEN
    assert manifests.parse_latest(manifests.encode_latest(one.link)) == one.link


def test_what_an_interrupted_backup_left_continues_the_chain() -> None:
    """OB-764: a manifest behind LATEST is the next one; two of them mean two writers."""
    first = written()
    second = written("20131008", first.link)
    assert manifests.successor(None, [second, first]) == first
    assert manifests.successor(first.link, [second]) == second
    assert manifests.successor(second.link, [first, second]) is None
    with pytest.raises(CheckFailedError, match="does another machine write here") as caught:
        manifests.successor(first.link, [second, written("20131009", first.link)])
    assert caught.value.reason is BackupReason.CHAIN_BROKEN


def test_names_are_counted_per_day() -> None:
    assert manifests.next_name("20131007", []) == "20131007-1"
    assert manifests.next_name("20131007", ["20131007-9", "20131007-10", "20131008-77"]) == "20131007-11"
    assert manifests.object_name("ab" * 32) == f"objects/ab/{'ab' * 32}"
    assert manifests.manifest_path("20131007-1") == "manifests/20131007-1.json"


def test_the_figures_of_an_audit_are_what_a_drill_compares() -> None:
    """OB-754: lines {code: anchor, recorded, backfilled, residual, status}."""
    totals = {"trades": 1, "shares": 2, "value_krw": 3}
    line: dict[str, Any] = {
        "code": "990001", "status": "complete", "anchor": {**totals, "taken_ns": 9}, "recorded": totals,
        "backfilled": totals, "residual": {**totals, "by_cause": {}},
    }  # fmt: skip
    found = manifests.figures({"lines": [line, {**line, "code": "990002", "anchor": None}]})
    assert found["990001"].anchor == LineEnd(**totals)
    assert (found["990002"].anchor, found["990002"].residual) == (None, Totals(**totals))


def test_the_documented_manifest_is_the_encoding_of_its_values() -> None:
    """OB-754: the worked example of docs/formats/backup.md, byte for byte."""
    residual = Totals(trades=198, shares=35_797, value_krw=65_320_248_700)
    recorded = Totals(trades=23_913, shares=3_872_370, value_krw=7_067_416_731_800)
    end = LineEnd(trades=24_111, shares=3_908_167, value_krw=7_132_736_980_500)
    line = LineFigures(anchor=end, recorded=recorded, backfilled=ZERO, residual=residual, status="residual")
    one = Manifest(
        venue="KRX", day="20131007", created_ns=1_795_252_300_000_000_000, files=(entry("universe/20131007_kr_stocks.json"),),
        lines={"990001": line}, last_seal="", previous=None, veritape="0.1.0",
    )  # fmt: skip
    page = (Path(__file__).resolve().parents[3] / "docs" / "formats" / "backup.md").read_text()
    assert f"\n{manifests.encode(one).decode()}\n" in page
    assert f"\n{manifests.digest(manifests.encode(one))}\n" in page
