"""Envoy's own protocols: the rate-limit service and ext_authz over gRPC (GW-611, GW-612)."""
