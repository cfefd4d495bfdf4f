"""Execution notices and their cipher (KIS-128, KIS-163, KIS-263): one made-up notice for who registers.

The payload is base64( AES-256-CBC( PKCS7( text ) ) ); key and iv are the ASCII characters of the acknowledgement.
"""

import base64
from typing import Final

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

BLOCK_BITS: Final = 128
"""Block of the cipher."""

KEY_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
"""Alphabet of a key."""


def key_and_iv(seed: int, tr_id: str) -> tuple[str, str]:
    """Return the 32 letters of a stream's key and the 16 of its iv: they follow from the seed (KIS-222)."""
    digest = blake3(f"{seed}:{tr_id}".encode()).digest(32)
    return "".join(KEY_LETTERS[byte % len(KEY_LETTERS)] for byte in digest), digest[:8].hex()


def encrypted(text: str, key: str, iv: str) -> str:
    """Return a text as the payload of an encrypted frame."""
    padder = PKCS7(BLOCK_BITS).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).encryptor()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()


def notice_text(hts_id: str, code: str, name: str, price: int, hour: str) -> str:
    """Return the 26 fields of an execution of 100 shares.

    Args:
        hts_id: who registered.
        code: symbol.
        name: its name.
        price: won.
        hour: HHMMSS.
    """
    fields = (
        hts_id, "0000000001", "0000012345", "", "02", "0", "00", "0", code, "0000000100", f"{price:09}", hour, "0", "2",
        "2", "00950", "000000100", "TEST", "000000000", "1", "Y", "", "0", "", name, f"{price:09}",
    )  # fmt: skip
    return "^".join(fields)


def notice_frame(tr_id: str, text: str, key: str, iv: str, *, bad: bool = False) -> str:
    """Return an encrypted frame; a bad one does not decrypt (``bad_cipher``)."""
    payload = encrypted(text, key, iv)
    if bad:
        data = bytearray(base64.b64decode(payload))
        data[-1] ^= 0xFF
        payload = base64.b64encode(data).decode()
    return f"1|{tr_id}|001|{payload}"
