"""The compiled simulator, loaded once for all tests, and the readable one beside it."""

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.backend import Simulator
from veritape.executor.digests import each_digest
from veritape.executor.vm.machine import execute, execute_batch
from veritape.stark.hashing import sponge

SIMULATOR = compiled_simulator()
READABLE = Simulator(execute, sponge, execute_batch, each_digest(sponge))
