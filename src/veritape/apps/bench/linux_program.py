"""One of our images as a Linux program, for the peer of the benchmark: same words, but it ends with Linux's exit."""

import struct
from typing import Final

from veritape.executor.image import CODE_END, CODE_START, Image, Permission

PAGE: Final = 0x1000
"""Linux maps segments by pages: offsets agree with addresses modulo this."""

_READ_EXECUTE = int(Permission.READ | Permission.EXECUTE)

OUR_HALT: Final = struct.pack("<II", 0x00000893, 0x00000073)
"""``li a7, 0; ecall``: our halt, as the start code ends."""

LINUX_EXIT: Final = struct.pack("<II", 0x05D00893, 0x00000073)
"""``li a7, 93; ecall``: exit, with the code in a0 as well."""


def linux_elf(image: Image) -> bytes:
    """Return an ELF that Linux runs; the guest makes no other calls.

    Raises:
        ValueError: the code does not end with our halt.
    """
    code = _code(image)
    if OUR_HALT not in code:
        raise ValueError("not built with our start code")
    parts = [(CODE_START, code.replace(OUR_HALT, LINUX_EXIT, 1), len(code), _READ_EXECUTE)]
    data = [segment for segment in image.segments if segment.address >= CODE_END]
    parts += [(one.address, one.data, one.memory_bytes, int(one.permissions)) for one in data]
    table, body = b"", b""
    for address, content, size, flags in parts:
        body += bytes((address - PAGE - len(body)) % PAGE)
        place = PAGE + len(body)
        table += struct.pack("<8I", 1, place, address, address, len(content), size, flags, PAGE)
        body += content
    ident = b"\x7fELF\1\1\1".ljust(16, b"\0")
    fields = (2, 243, 1, image.entry, 52, 0, 0, 52, 32, len(parts), 0, 0, 0)
    return (struct.pack("<16sHHIIIIIHHHHHH", ident, *fields) + table).ljust(PAGE, b"\0") + body


def _code(image: Image) -> bytes:
    """Return code and constants as one piece: Linux gives a page one permission, and ours may share a page."""
    code = b""
    for segment in image.segments:
        if segment.address < CODE_END:
            code = code.ljust(segment.address - CODE_START, b"\0") + segment.data
    return code
