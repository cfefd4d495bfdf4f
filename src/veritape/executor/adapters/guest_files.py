"""The committed guests: their ELFs and manifest, as files of the package (EX-231)."""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from veritape.executor.elf import load
from veritape.executor.image import Image
from veritape.kernel.errors import CheckFailedError, MisuseError


def guests_folder() -> Traversable:
    """Return the folder that holds ``sources``, ``elf`` and ``manifest.json``."""
    return resources.files("veritape.executor.guests")


def manifest() -> Mapping[str, Any]:
    """Return the manifest: compiler, flags, and per guest SHA-256, bytes, memory, program id."""
    document: Mapping[str, Any] = json.loads(guests_folder().joinpath("manifest.json").read_bytes())
    return document


def guest_elf(name: str) -> bytes:
    """Return a guest's committed ELF.

    Raises:
        MisuseError: no such guest.
        CheckFailedError: the file is not the one that the manifest names.
    """
    guests = manifest()["guests"]
    if name not in guests:
        raise MisuseError(f"no guest {name!r}: the bundled ones are {', '.join(sorted(guests))}")
    data = guests_folder().joinpath("elf", f"{name}.elf").read_bytes()
    if hashlib.sha256(data).hexdigest() != guests[name]["sha256"]:
        raise CheckFailedError(
            f"guest {name}: the ELF is not the manifest's: install anew or run veritape guests check"
        )
    return data


def guest_image(name: str) -> Image:
    """Return a guest as the machine loads it."""
    return load(guest_elf(name), manifest()["guests"][name]["memory_bytes"])
