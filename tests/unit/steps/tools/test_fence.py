"""The fence around a database: which logins it refuses and allows again."""

from steps.tools import fence


def test_a_fence_is_one_statement_a_role() -> None:
    allow, refuse = (repr(fence.login_statement("r", allowed)) for allowed in (True, False))
    assert "Identifier('r')" in allow
    assert "SQL('LOGIN')" in allow
    assert "SQL('NOLOGIN')" in refuse
