"""The plan: every mistake at once, each under its key; and the schema editors use is the models'."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import GonogoError, PlanError
from fixtures.plan import Plan, load_plan, parse_plan
from fixtures.secrets import Secret, known_secrets, redact

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "plan.example.toml"
TEXT = EXAMPLE.read_text()


def mistakes(text):
    with pytest.raises(PlanError) as caught:
        parse_plan(text, Path("plan.toml"))
    return caught.value.found


def test_the_example_is_a_plan_and_explains_every_key():
    assert load_plan(EXAMPLE).name == "smallpayroll"


def test_every_key_of_the_models_stands_in_the_example():
    schema = Plan.model_json_schema()
    words = set(TEXT.replace("#", " ").replace("=", " ").replace("[", " ").replace("]", " ").replace(".", " ").split())
    words |= {w.strip("{},") for w in words}
    for model in (schema, *schema["$defs"].values()):
        for key in model.get("properties", {}):
            assert key in words, f"docs/plan.example.toml does not show {key}"


def test_the_schema_for_editors_is_up_to_date():
    written = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
    assert written == Plan.model_json_schema(), "make schema writes it anew"


def test_all_mistakes_at_once_with_their_keys():
    text = (
        TEXT.replace('address = "203.0.113.7"', 'address = "not-an-address"')
        .replace("ttl = 60", "ttl = 86400")
        .replace('account = "123456789012"', 'account = "12"')
        .replace("[cutover]", "[cutover]\ntypo = 1")
        .replace("ports = [3001, 3002]", "ports = [3001]")
    )
    found = mistakes(text)
    for key in ("operator.address", "dns.ttl", "target.account", "cutover.typo", "application"):
        assert key in found, found
    assert "5 mistakes" in found


def test_a_lab_endpoint_must_be_on_this_machine():
    text = TEXT.replace("launch_minutes", 'endpoint = "http://10.0.0.1:5000"\nlaunch_minutes')
    assert "must be on this machine" in mistakes(text)


def test_copying_rules_are_one_address_wide():
    assert "wider than one address" in mistakes(TEXT.replace('"198.51.100.10/32"', '"198.51.100.0/24"'))


@pytest.mark.parametrize("bad", ["/", "relative", "/a/../b"])
def test_remote_paths_are_absolute_and_below_the_root(bad):
    found = mistakes(TEXT.replace('"/home/payroll/shared/uploads"', f'"{bad}"'))
    assert "files.0.path" in found


def test_broken_toml_names_the_line():
    assert "line 1" in mistakes("name = \n")


def test_an_absent_plan_says_how_to_name_one(tmp_path):
    with pytest.raises(PlanError, match="--plan"):
        load_plan(tmp_path / "none.toml")


@given(st.text(max_size=200))
def test_no_text_makes_a_traceback(text):
    try:
        parse_plan(text, Path("plan.toml"))
    except PlanError as error:
        assert error.remedy


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


@given(
    st.sampled_from(list(leaves(tomllib.loads(TEXT)))),
    st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers())),
)
def test_any_wrong_value_is_reported_under_its_key_or_accepted(path, value):
    document = tomllib.loads(TEXT)
    table = document
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    try:
        Plan.model_validate(document)
    except ValueError as error:
        assert path[0] in str(error)


# --- secrets ------------------------------------------------------------------------------------------------------


def test_a_secret_is_exactly_one_reference():
    assert "exactly one" in mistakes(TEXT.replace('{ env = "SMOKE_PASSWORD" }', '{ env = "A", file = "/b" }'))


def test_secrets_come_from_env_file_and_command(monkeypatch, tmp_path):
    monkeypatch.setenv("A_SECRET", "s3cret-one")
    (tmp_path / "two").write_text("s3cret-two\n")
    assert Secret(env="A_SECRET").reveal() == "s3cret-one"
    assert Secret(file=tmp_path / "two").reveal() == "s3cret-two"
    assert Secret(command=["echo", "s3cret-three"]).reveal() == "s3cret-three"
    assert redact("x s3cret-one s3cret-two s3cret-three y") == "x [secret] [secret] [secret] y"
    assert "s3cret" not in repr(Secret(env="A_SECRET").value)


@pytest.mark.parametrize(
    "secret",
    [
        Secret(env="NOT_SET_ANYWHERE"),
        Secret(file=Path("/no/such/file")),
        Secret(command=["false"]),
        Secret(command=["no-such-program"]),
        Secret(command=["true"]),
    ],
    ids=str,
)
def test_a_secret_that_cannot_be_had_names_its_reference(secret):
    with pytest.raises(GonogoError) as caught:
        secret.reveal()
    assert str(secret) in caught.value.subject


def test_longer_secrets_are_taken_out_first():
    known_secrets.update({"abcdef", "abcdefgh"})
    assert redact("abcdefgh") == "[secret]"
