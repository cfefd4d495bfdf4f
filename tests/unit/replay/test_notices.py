"""Execution notices and their cipher, against the protocol's vectors."""

import base64

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from veritape.replay.notices import encrypted, key_and_iv, notice_frame, notice_text

KEY, IV = "qwmzkxjvbnhtyrplfgdsacoieukqwzmx", "5b1c0de4a7f39268"
TEXT = (
    "tester01^0000000001^0000012345^^02^0^00^0^990001^0000000100^001818700^090014^0^2^2^00950^000000100^TEST^000000000^1^Y^^0^^IBM"
    "^001818700"
)
PAYLOAD = (
    "2oK90V/7BPc9qcm1bzoe0dUNKP9iPJSnk2t105jZbTcFgJtTiL2agcB195Ugat/k8wBnsB9SnT3LHb/HR4ewSSdCpUwnZNHCLgbmEzRZjmbR4UgMHB6CfmT0NgtHH2ESvYhQ"
    "zi4bB6aBoiIjOsXpRmSJxaGDqHQQSs5oWQYeXTSRBMe5XqhPDcpIkaix52n0"
)


def decrypted(payload: str, key: str, iv: str) -> bytes:
    cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).decryptor()
    return cipher.update(base64.b64decode(payload)) + cipher.finalize()


def test_the_worked_frame_byte_for_byte() -> None:
    """KIS-263, KIS-163: 26 fields, 135 bytes, padded to 144, base64 of 192 characters."""
    assert notice_text("tester01", "990001", "IBM", 1_818_700, "090014") == TEXT
    assert (len(TEXT), TEXT.count("^") + 1, len(PAYLOAD)) == (135, 26, 192)
    assert notice_frame("H0STCNI0", TEXT, KEY, IV) == f"1|H0STCNI0|001|{PAYLOAD}"


def test_the_shortest_vector() -> None:
    """KIS-263: the text A^1; a wrong iv corrupts the first 16 bytes and not the padding."""
    assert encrypted("A^1", KEY, IV) == "QvPDqmKpJFiL/uVhhfkXOg=="
    wrong = decrypted(PAYLOAD, KEY, IV[::-1])
    assert wrong[16:] == decrypted(PAYLOAD, KEY, IV)[16:]
    assert wrong[:16] != TEXT[:16].encode()


def test_a_bad_cipher_has_no_padding() -> None:
    """KIS-128, KIS-220: bad_cipher; the frame keeps its shape."""
    frame = notice_frame("H0STCNI0", TEXT, KEY, IV, bad=True)
    plain = decrypted(frame.split("|")[3], KEY, IV)
    assert plain[-1] != 9
    assert len(frame) == len(f"1|H0STCNI0|001|{PAYLOAD}")


@pytest.mark.parametrize("tr_id", ["H0STCNT0", "H0STCNI0"])
def test_keys_follow_from_the_seed(tr_id: str) -> None:
    """KIS-222, KIS-103: 32 and 16 characters, equal for equal seeds."""
    key, iv = key_and_iv(7, tr_id)
    assert (len(key), len(iv)) == (32, 16)
    assert key_and_iv(7, tr_id) == (key, iv) != key_and_iv(8, tr_id)
