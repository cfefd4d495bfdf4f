"""Memory of the readable machine: words by address, permissions by range (EX-141)."""

from collections.abc import Sequence

from veritape.executor.image import CODE_END, WORD_BYTES, Image, Permission
from veritape.executor.vm.traps import Trapped, TrapReason


class Memory:
    """Words that are not in ``words`` are zero; ``touched`` counts what loads, stores and calls named (EX-187)."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self.words: dict[int, int] = {}
        self.touched: set[int] = set()
        for segment in image.segments:
            for offset in range(0, len(segment.data), WORD_BYTES):
                word = int.from_bytes(segment.data[offset : offset + WORD_BYTES], "little")
                self.words[segment.address + offset] = word

    def permissions(self, address: int) -> Permission:
        """Return what an address allows: nothing where it is not mapped."""
        for segment in self._image.segments:
            if segment.address <= address < segment.end:
                return segment.permissions
        if CODE_END <= address < self._image.memory_end:
            return Permission.READ | Permission.WRITE
        return Permission(0)

    def fetch(self, address: int) -> int:
        """Return the instruction word at an address.

        Raises:
            Trapped: misaligned, or not executable.
        """
        if address % WORD_BYTES:
            raise Trapped(TrapReason.MISALIGNED_FETCH, address)
        if not self.permissions(address) & Permission.EXECUTE:
            raise Trapped(TrapReason.FETCH_FAULT, address)
        return self.words.get(address, 0)

    def load(self, address: int, size: int) -> int:
        """Return 1, 2 or 4 bytes as an unsigned number.

        Raises:
            Trapped: misaligned, or not mapped.
        """
        if address % size:
            raise Trapped(TrapReason.MISALIGNED_ACCESS, address)
        if not self.permissions(address):
            raise Trapped(TrapReason.LOAD_FAULT, address)
        shift = address % WORD_BYTES * 8
        return self.read_word(address - address % WORD_BYTES) >> shift & ((1 << 8 * size) - 1)

    def store(self, address: int, size: int, value: int) -> None:
        """Replace 1, 2 or 4 bytes.

        Raises:
            Trapped: misaligned, not mapped, or without write permission.
        """
        if address % size:
            raise Trapped(TrapReason.MISALIGNED_ACCESS, address)
        permissions = self.permissions(address)
        if not permissions:
            raise Trapped(TrapReason.STORE_FAULT, address)
        if not permissions & Permission.WRITE:
            raise Trapped(TrapReason.STORE_TO_READONLY, address)
        place, shift = address - address % WORD_BYTES, address % WORD_BYTES * 8
        mask = ((1 << 8 * size) - 1) << shift
        self.write_word(place, self.words.get(place, 0) & ~mask | (value << shift & mask))

    def allows(self, address: int, words: int, needed: Permission) -> bool:
        """Tell whether every word of a range allows what a call needs."""
        return all(
            self.permissions(address + WORD_BYTES * index) & needed == needed for index in range(words)
        )

    def read_word(self, address: int) -> int:
        """Return a word that is known to be mapped."""
        self.touched.add(address)
        return self.words.get(address, 0)

    def read_words(self, address: int, words: int) -> list[int]:
        """Return consecutive words that are known to be mapped."""
        return [self.read_word(address + WORD_BYTES * index) for index in range(words)]

    def write_word(self, address: int, value: int) -> None:
        """Replace a word that is known to be writable."""
        self.touched.add(address)
        self.words[address] = value

    def write_words(self, address: int, values: Sequence[int]) -> None:
        """Replace consecutive words that are known to be writable."""
        for index, value in enumerate(values):
            self.write_word(address + WORD_BYTES * index, value)
