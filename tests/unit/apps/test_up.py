"""The command ``veritape up``: what it refuses."""

import socket
from pathlib import Path

from click.testing import CliRunner

from veritape.apps.up import up
from veritape.kernel.errors import MisuseError, UnavailableError


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """Two runs never share a folder."""
    (tmp_path / "x").write_text("x")
    result = CliRunner().invoke(up, ["--data", str(tmp_path)], standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert "not an empty folder" in result.exception.message


def test_a_busy_port_names_the_option_that_chooses_another(tmp_path: Path) -> None:
    """OB-971: nothing is started or written; port, who may hold it, option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["--data", str(tmp_path / "run"), "--port", f"gateway={port}"]
        result = CliRunner().invoke(up, arguments, standalone_mode=False)
    assert isinstance(result.exception, UnavailableError)
    assert result.exception.message == (
        f"cannot listen on 127.0.0.1:{port}: in use by another program, perhaps another veritape: "
        "choose --port gateway=NUMBER, or stop it"
    )
    assert not (tmp_path / "run").exists()
