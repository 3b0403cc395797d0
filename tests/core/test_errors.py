"""Errors as a user reads them."""

from tokens_forge.core.errors import ConfigError, ForgeError, Problem


def test_a_config_error_holds_every_problem() -> None:
    """Each on a line of its own, with where it stands as far as that is known."""
    problems = (Problem(where="config.toml:3 [balance.x]", what="it is wrong"), Problem(where="", what="so is this"))
    error = ConfigError(problems)
    assert isinstance(error, ForgeError)
    assert problems == error.problems
    assert "config.toml:3 [balance.x]: it is wrong\nso is this" == str(error)
