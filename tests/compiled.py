"""The compiled simulator, loaded once for all tests, and the readable one beside it."""

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.backend import Simulator
from veritape.executor.vm.machine import execute
from veritape.stark.hashing import sponge

SIMULATOR = compiled_simulator()
READABLE = Simulator(execute, sponge)
