"""What a FastAPI route costs, said where the route is written (GW-602).

.. code-block:: python

    app.add_middleware(Limit, policy="policy.toml")

    @app.post("/compare", dependencies=[Depends(limit(cost=2, scope="compare"))])
    def compare() -> Answer: ...

    @app.get("/health", dependencies=[Depends(exempt)])
    async def health() -> Answer: ...

The middleware charges, once, before the body is read; the dependency sees that it did and gives the decision to who asks.
"""

from fastapi import Request

from veritape.gateway.adapters.asgi import KEY, Seen
from veritape.gateway.adapters.marks import Mark
from veritape.gateway.prices import Price, units_of
from veritape.gateway.quota import Decision
from veritape.kernel.errors import MisuseError


class LimitedRoute(Mark):
    """A dependency; its value is the decision, None when the route costs nothing."""

    async def __call__(self, request: Request) -> Decision | None:
        """See that the request was charged.

        Raises:
            MisuseError: it was not: the middleware is missing, or something between it and the route changed the path.
        """
        seen: Seen | None = request.scope.get(KEY)
        if seen is None:
            raise MisuseError(
                "Depends(limit()) needs the middleware: app.add_middleware(Limit, policy=...), behind what changes the path"
            )
        if seen.found is None or self not in seen.found.marks:
            raise MisuseError(
                "the path changed between Limit and this route: put Limit behind what changes it"
            )
        return None if seen.ruling is None else seen.ruling.decision


def limit(cost: str | int = 1, scope: str | None = None, *, anonymous: bool | None = None) -> LimitedRoute:
    """Return the dependency of a route with a cost of its own.

    Args:
        cost: units; text for fractions.
        scope: scope that a credential must hold.
        anonymous: callers without a credential are served; by default where no scope is asked.

    Raises:
        MisuseError: the cost has more than three decimal places.
    """
    open_to_all = scope is None if anonymous is None else anonymous
    return LimitedRoute(Price(scope or "limited", units_of(cost), scope, open_to_all))


exempt = LimitedRoute(None)
"""The dependency of a route that costs nothing and asks nobody who he is."""
