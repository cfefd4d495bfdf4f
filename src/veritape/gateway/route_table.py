"""Where each path of a policy leads, made once when the policy is loaded."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

from veritape.gateway import openapi
from veritape.gateway.answers import allowed
from veritape.gateway.paths import PathTable
from veritape.gateway.policy import Policy, PolicyReason, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import Sources
from veritape.gateway.product.routes import ROUTES, ProductRoute, installed
from veritape.gateway.reasons import Reason
from veritape.kernel.errors import MisuseError

SETTINGS: Final = {"tape": "read.observer_dir", "receipts": "read.receipts_dir"}
"""What a page reads -> setting that says where it is."""


class Served(NamedTuple):
    """Where a path of the policy leads."""

    route: Route
    path: str
    product: ProductRoute | None
    """The page that is made here; None where an upstream has it."""


class RouteTable(NamedTuple):
    """Everything that is made from a policy once."""

    policy: Policy
    paths: PathTable[tuple[Served, ...]]
    openapi: bytes
    docs: bytes
    left_out: tuple[str, ...]
    """Routes that are not served here: what they read is not set, or this version has no such page."""


def make_table(policy: Policy, sources: Sources) -> RouteTable:
    """Join the policy's routes with the product's.

    Raises:
        MisuseError: a route that is served here asks for something that this version does not have.
    """
    products, by_path = installed(sources), dict[str, list[Served]]()
    left_out = []
    for route in policy.routes:
        if route.upstream not in policy.in_process:
            for path in route.paths:
                by_path.setdefault(path, []).append(Served(route, path, None))
            continue
        known = [path for path in route.paths if path in products]
        if not known:
            left_out.append(route.name)
            continue
        if route.features or set(route.methods) != {"GET"}:
            wrong = ", ".join(sorted(route.features)) or "methods"
            raise MisuseError(
                f"policy: routes.{route.name}: {PolicyReason.NOT_AVAILABLE}: {wrong}: this route serves plain GET"
            )
        for path in known:
            by_path.setdefault(path, []).append(Served(route, path, products[path]))
    served = [(one.route, one.path, one.product) for found in by_path.values() for one in found]
    api = openapi.document(policy, served, version("veritape"))
    paths = PathTable((path, tuple(found)) for path, found in by_path.items())
    return RouteTable(policy, paths, json.dumps(api).encode(), openapi.page(api), tuple(left_out))


def by_method(found: Sequence[Served], method: str) -> Served:
    """Return the route of a path that takes a method; any of them answers OPTIONS.

    Raises:
        RefusedError: ``method_not_allowed``.
    """
    wanted = "GET" if method == "HEAD" else method
    for one in found:
        if wanted in one.route.methods:
            return one
    methods = tuple(dict.fromkeys(name for one in found for name in one.route.methods))
    if method == "OPTIONS":
        return found[0]._replace(route=found[0].route._replace(methods=methods))
    raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": allowed(methods)})


def left_out_lines(table: RouteTable) -> list[str]:
    """Return for each cause a line with the routes that it leaves out."""
    settings = {page.path: SETTINGS[page.reads] for page in ROUTES}
    by_setting: dict[str, list[str]] = {}
    for route in table.policy.routes:
        if route.name in table.left_out:
            setting = next((settings[path] for path in route.paths if path in settings), "")
            by_setting.setdefault(setting, []).append(route.name)
    return [
        f"routes left out, {f'{setting} is not set' if setting else 'this version does not have them'}: {', '.join(names)}"
        for setting, names in by_setting.items()
    ]
