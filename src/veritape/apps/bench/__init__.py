"""``veritape bench``: measured figures, each beside a peer or a limit of the same run; one module a suite or group of rows."""
