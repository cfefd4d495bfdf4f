"""Join what identity needs in one worker: keys remembered, tokens verified, both told of a new policy."""

import os
from collections.abc import Callable
from typing import NamedTuple

from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.key_store import KeyStore
from veritape.gateway.adapters.peppers import load_peppers
from veritape.gateway.adapters.token_secrets import read_trust
from veritape.gateway.adapters.token_verifier import TokenVerifier, Trust
from veritape.gateway.metrics import LookUpFigures
from veritape.gateway.policy import Policy
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError
from veritape.telemetry import Registry


class Credentials(NamedTuple):
    """Who finds keys and verifies tokens for one worker."""

    settings: GatewaySettings
    keys: KeyFinder
    tokens: TokenVerifier

    def swapping(self, swap: Callable[[Policy], None]) -> Callable[[Policy], None]:
        """Return a swap that changes the issuers with the policy, or nothing at all."""

        def both(policy: Policy) -> None:
            trust = trusted_issuers(self.settings, policy)
            swap(policy)
            self.tokens.believe(trust)

        return both


def trusted_issuers(settings: GatewaySettings, policy: Policy) -> Trust:
    """Return whose tokens are believed.

    Raises:
        MisuseError: an issuer's key is missing, too weak, or of another kind.
    """
    return read_trust(policy.issuers, os.environ, settings.jwt.secret_file)  # noqa: TID251 - an app


def open_credentials(
    settings: GatewaySettings, policy: Policy, key_store: KeyStore, registry: Registry, clock: Clock,
    report: Callable[[str], object],
) -> Credentials:  # fmt: skip
    """Return what identity needs in one worker; ``report`` takes lines for the log.

    Raises:
        MisuseError: an issuer's key is missing, too weak, or of another kind.
    """
    note = LookUpFigures(registry).note
    trust = trusted_issuers(settings, policy)
    tokens = TokenVerifier(clock, trust=trust, note=note, report=report)

    def peppers() -> tuple[bytes, ...]:
        try:
            return load_peppers(settings.data_dir, settings.keys.pepper_file)
        except MisuseError as error:
            report(f"peppers not read anew: {error.message}")
            return key_store.peppers

    return Credentials(settings, KeyFinder(key_store, clock, note=note, peppers=peppers), tokens)
