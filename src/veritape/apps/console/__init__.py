"""The console: one page that shows the chain as it is now, mounted by the gateway's process at ``/console``."""

from veritape.apps.console.application import create_console
from veritape.apps.console.figures import figures_from_page
from veritape.apps.console.tables import tables_from_readers

__all__ = ["create_console", "figures_from_page", "tables_from_readers"]
