"""`tf monitor` needs a terminal and says so."""

from pathlib import Path

from command_line import tf


def test_a_pipe_is_no_terminal(tmp_path: Path) -> None:
    """Without a terminal it exits 1 and names the commands that answer in a pipe."""
    ran = tf(tmp_path, "monitor")
    expected = "tf monitor needs a terminal; `tf explain last` and `tf spend` answer in a pipe.\n"
    assert (1, "", expected) == (ran.code, ran.out, ran.err)
