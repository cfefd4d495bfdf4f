"""The guests are reproducible, and are what the machine runs."""

import hashlib
import struct
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.adapters import compiler
from veritape.executor.adapters.guest_files import guest_elf, guests_folder, manifest
from veritape.executor.elf import ImageReason, load
from veritape.executor.image import CODE_END, CODE_START, Image, Permission
from veritape.executor.vm.calls import DEBUG
from veritape.executor.vm.decoding import decode
from veritape.kernel.errors import CheckFailedError, MisuseError, PeerError, UnavailableError
from veritape.stark import hashing

SOURCES = Path(str(guests_folder())) / "sources"
CACHE = Path.home() / ".cache" / "veritape" / "zig"
READ, WRITE, EXECUTE = Permission.READ, Permission.WRITE, Permission.EXECUTE

SECTIONS = """
#include "veritape.h"
static const u32 constants[4] = {1, 2, 3, 4};
static u32 initial[2] = {5, 6};
static u32 zeroed[100];
extern u32 __heap_start;
int main(void)
{
    u32 place = vt_read_u32(1);
    zeroed[place] = constants[place] + initial[place];
    vt_commit_u32((u32)&__heap_start);
    vt_commit_u32((u32)(zeroed + 100));
    return (int)zeroed[place];
}
"""
"""A guest with something in every section."""

EVERYTHING = """
#include "veritape.h"
static u32 data[64], digest[8], state[16];
static u8 bytes[16];
int main(void)
{
    u32 small = vt_read_u32(1);
    u64 large = vt_read_u64(1);
    u32 got = vt_read(data, sizeof data);
    vt_commit_u32(small);
    vt_commit_u64(large);
    vt_commit_u32(got);
    vt_hash(digest, 7, 10, data, 10);
    vt_commit(digest, 32);
    vt_hash_bytes(digest, 8, data, 21);
    vt_commit(digest, 32);
    for (u32 i = 0; i < 16; i++)
        state[i] = i;
    vt_poseidon2(state);
    vt_commit(state, 64);
    vt_sha256(digest, data, 119);
    vt_commit(digest, 32);
    vt_sha256_t hash;
    vt_sha256_begin(&hash);
    vt_sha256_update(&hash, data, 2);
    vt_sha256_end(&hash, digest, data + 32, 5);
    vt_commit(digest, 32);
    memset(bytes, 'a', 8);
    memcpy(bytes + 8, "01234567", 8);
    memmove(bytes + 9, bytes + 8, 6);
    vt_commit(bytes, 16);
    vt_commit_u32((u32)memcmp(bytes, "aaab", 4));
    vt_commit_u32((u32)memcmp(bytes, "aaaa", 4));
    vt_commit_u64(large / small);
    vt_debug("nearly done");
    vt_assert(got != 4, 3);
    vt_halt(9);
}
"""
"""A guest that uses every function of the SDK."""


def built(folder: Path, text: str) -> Image:
    source = folder / "mine.c"
    source.write_text(text)
    return load(compiler.build(source, SOURCES, CACHE))


def zig(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the compiler with other flags than ours, on the same source."""
    for name in compiler.SUPPORT:
        (folder / name).write_bytes((SOURCES / name).read_bytes())
    (folder / "guest.c").write_bytes((SOURCES / "fibonacci.c").read_bytes())
    return subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *arguments, "-o", "guest.elf", "start.S", "guest.c"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "global"), "ZIG_LOCAL_CACHE_DIR": str(CACHE / "local")},
    )  # fmt: skip


def test_the_committed_guests_are_current_and_reproducible(tmp_path: Path) -> None:
    """EX-234: rebuilt in an empty cache, another folder and another environment, the bytes are the committed ones."""
    for name in manifest()["guests"]:
        assert compiler.build(SOURCES / f"{name}.c", SOURCES, tmp_path) == guest_elf(name)


def test_the_flags_are_those_that_were_tried() -> None:
    """EX-232: one call without a separate link step; the manifest names compiler and flags."""
    assert " ".join(compiler.FLAGS) == (
        "-target riscv32-freestanding-none -mcpu=generic_rv32+m -std=c11 -O2 -g0 -ffreestanding -fno-pic -fno-sanitize=all"
        " -fno-stack-protector -fomit-frame-pointer -static -Wl,-T,guest.ld -Wl,--build-id=none -Wl,--strip-all"
        " -Wl,-z,max-page-size=16"
    )
    assert manifest()["flags"] == list(compiler.FLAGS)
    assert manifest()["compiler"] == compiler.compiler_version()


@pytest.mark.parametrize("name", sorted(manifest()["guests"]))
def test_a_guest_has_no_flags_and_only_words_that_decode(name: str) -> None:
    """EX-233: e_flags 0, no compressed code, and small: pages of 16 bytes leave no holes in the file."""
    elf = guest_elf(name)
    assert struct.unpack_from("<I", elf, 36) == (0,)
    (code,) = (segment for segment in load(elf).segments if segment.permissions & EXECUTE)
    assert all(decode(word) is not None for (word,) in struct.iter_unpack("<I", code.data))
    assert len(elf) < sum(len(segment.data) for segment in load(elf).segments) + 500


def test_other_flags_are_refused_by_the_compiler_or_the_loader(tmp_path: Path) -> None:
    """EX-233: -march=rv32im is taken for a processor's name; the baseline processor has compressed code and a float ABI."""
    flags = [flag for flag in compiler.FLAGS if not flag.startswith("-mcpu")]
    assert zig(tmp_path, "-march=rv32im", *flags).returncode != 0
    assert zig(tmp_path, "-mcpu=baseline_rv32", *flags).returncode == 0
    with pytest.raises(PeerError) as caught:
        load((tmp_path / "guest.elf").read_bytes())
    assert caught.value.reason is ImageReason.UNSUPPORTED_FLAGS


def test_a_program_lies_as_the_linker_script_says(tmp_path: Path) -> None:
    """EX-235: code and constants from 0x10000, data from 0x1000000, the heap behind it, main's result as exit code."""
    image = built(tmp_path, SECTIONS)
    text, constants, data = image.segments
    assert (text.address, text.permissions, image.entry) == (CODE_START, READ | EXECUTE, CODE_START)
    assert (constants.address % 16, constants.permissions) == (0, READ)
    assert text.end <= constants.address < CODE_END
    assert (data.address, data.permissions) == (CODE_END, READ | WRITE)
    assert len(data.data) < 400 <= data.memory_bytes
    done = SIMULATOR.machine(image, struct.pack("<I", 1))
    heap, end = struct.unpack("<II", done.journal)
    assert (done.exit_code, heap % 16) == (8, 0)
    assert CODE_END + data.memory_bytes - 16 < end <= heap < CODE_END + data.memory_bytes + 16


def test_every_function_of_the_sdk_does_what_it_says(tmp_path: Path) -> None:
    """EX-236: reading, committing, hashing and the memory functions against Python; 64-bit division links."""
    image = built(tmp_path, EVERYTHING)
    words = [(i * 2654435761) & 0xFFFF for i in range(64)]
    body = struct.pack("<64I", *words)
    data = struct.pack("<IQ", 3, 1 << 40) + body[:200]
    said: list[bytes] = []
    done = SIMULATOR.machine(image, data, debug=said.append)
    held = body[:200] + bytes(56)
    sponge = SIMULATOR.sponge
    permuted = hashing.permute(list(range(16)))
    expected = (
        struct.pack("<IQI", 3, 1 << 40, 200)
        + struct.pack("<8I", *sponge(7, 10, words[:10]))
        + struct.pack("<8I", *sponge(8, 21, _limbs(held[:21])))
        + struct.pack("<16I", *permuted)
        + hashlib.sha256(held[:119]).digest()
        + hashlib.sha256(held[:133]).digest()
        + b"aaaaaaaa00123457"
        + struct.pack("<iiQ", -1, 0, (1 << 40) // 3)
    )
    assert done.journal == expected
    assert (done.exit_code, said) == (9, [b"nearly done"])
    assert SIMULATOR.machine(image, data[:8]).exit_code == 1
    assert SIMULATOR.machine(image, data[:16]).exit_code == 3


def test_the_call_numbers_are_those_of_the_header(tmp_path: Path) -> None:
    """EX-172: header and machine name the same calls; without a sink debug text has no effect."""
    image = built(tmp_path, '#include "veritape.h"\nint main(void) { vt_debug("x"); return 4; }\n')
    assert DEBUG == 5
    assert READABLE.machine(image, b"") == SIMULATOR.machine(image, b"")
    assert SIMULATOR.machine(image, b"").exit_code == 4


def _limbs(data: bytes) -> list[int]:
    padded = data + b"\0" * (len(data) % 2)
    return [limb for (limb,) in struct.iter_unpack("<H", padded)]


def test_a_users_own_guest_is_built_and_errors_are_one_line(tmp_path: Path) -> None:
    """EX-237: a .c file of a user's; a missing file and a syntax error are named."""
    source = tmp_path / "mine.c"
    source.write_text(
        '#include "veritape.h"\nint main(void) { u32 d[8]; vt_hash_bytes(d, 1, d, 0); return 7; }\n'
    )
    assert load(compiler.build(source, SOURCES, CACHE)).segments
    source.write_text("int main(void) { return x; }\n")
    with pytest.raises(CheckFailedError, match=r"mine\.c does not compile: .*error"):
        compiler.build(source, SOURCES, CACHE)
    with pytest.raises(MisuseError, match="cannot read"):
        compiler.build(tmp_path / "none.c", SOURCES, CACHE)


def test_a_missing_compiler_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-231: guests are built with the extra `guests` alone."""

    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UnavailableError, match=r"veritape\[guests\]"):
        compiler.compiler_version()
