"""The way back: what it says before, what it counts, and that it deletes nothing."""

import shlex
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import CouldNotVerify, GonogoError, Refused, StepFailed
from fixtures.plan import Plan, Redis
from fixtures.run.journal import (
    BackOutStarted,
    SourceClosed,
    SourceReopened,
    TargetAway,
    TargetOpened,
    TargetSaved,
    TargetUnfenced,
)
from fixtures.run.places import QUARANTINED
from fixtures.run.records import DataCopy, DnsBefore, FileCount, MadeImage, SourceClosure, TableCopy, TargetFacts
from fixtures.run.run import Run
from fixtures.run.standing import standing
from fixtures.sameness.digest import Digest, Method
from fixtures.sameness.tables import LARGE_OBJECTS
from steps.back_out import back_out
from steps.tools import fence
from tests.unit.example import ROOT
from tests.unit.steps.target import SURVEY

CLOSED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def _facts() -> TargetFacts:
    return TargetFacts(
        instance_id="i-1", private_address="10.0.0.4", public_address="198.51.100.20", allocation_id="e",
        volume_id="v", security_group_id="sg-1",
    )  # fmt: skip


def test_a_run_that_changed_nothing_only_ends(run: Run) -> None:
    assert back_out.plan_back_out(run) == ["Nothing was changed on production or in DNS: the run only ends."]


def test_before_the_opening_no_data_is_given_up(run: Run) -> None:
    run.record(_facts())
    run.record(SourceClosure(logins={"payroll": True}, stopped_units=[], held_files=[], closed=CLOSED))
    run.record(DnsBefore(records={}, ttls={}))
    sentences = back_out.plan_back_out(run)
    assert len(sentences) == 3
    assert not [s for s in sentences if "lack" in s]


def test_after_the_opening_it_says_what_it_costs(run: Run) -> None:
    run.record(_facts())
    run.journal(TargetOpened())
    sentences = back_out.plan_back_out(run)
    assert any("production will lack" in s for s in sentences)
    assert any("saved" in s for s in sentences)


def test_what_stays_in_the_cloud_is_said(run: Run) -> None:
    run.record(_facts())
    run.record(MadeImage(image_id="ami-2", name="web-1", instance_id="i-1", made=CLOSED, secrets=True))
    said = back_out.plan_back_out(run)[-1]
    assert "ami-2 stays" in said
    assert "gonogo:scratch" in said, "the trial may have left its instance running"


class _Production:
    """What answers as production, while another run holds its lock; it keeps how often something there was changed."""

    def __init__(self, machine: str) -> None:
        self.machine, self.changed = machine, 0

    def read_file(self, _path: str) -> str:
        return f"{self.machine}\n"

    def check(self, _argv: list[str], **_: Any) -> str:
        self.changed += 1
        return ""

    def lock(self, *_: str) -> None:
        raise Refused("the lock", expected="free", found="held by another run", remedy="wait")


@pytest.mark.parametrize(
    ("machine", "cluster", "named"),
    [("a stranger's", "7001", "a stranger's"), (SURVEY.machine_id, "7003", "7003"), (SURVEY.machine_id, "7001", "")],
)
def test_production_is_opened_once_it_is_proven_whoever_holds_its_lock(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, machine: str, cluster: str, named: str
) -> None:
    run.record(SURVEY)
    run.record(SourceClosure(logins={}, stopped_units=["web.service"], held_files=[], closed=CLOSED))
    production = _Production(machine)
    database = SimpleNamespace(identity=lambda: cluster)
    monkeypatch.setattr(fence, "unfence", lambda *_, **__: production.check([]))
    connections: Any = SimpleNamespace(
        plan=plan, run=run, open_source=production, open_source_db=database,
        web=SimpleNamespace(get=lambda *_: SimpleNamespace(status_code=200)),
    )  # fmt: skip
    if named:
        with pytest.raises(Refused, match=named):
            back_out.back_out(connections, lambda *_: True)
    else:
        back_out.back_out(connections, lambda *_: True)
    proven = not named
    assert run.happened(SourceReopened) == proven
    assert bool(production.changed) == proven


def _table(rows: int, digest: str = "d") -> TableCopy:
    return TableCopy(rows=rows, digest=digest)


def test_what_was_written_is_counted_table_by_table() -> None:
    copied = {"public.a": _table(3), "public.b": _table(3), "public.c": _table(3), "public.d": _table(1)}
    live = {"public.a": _table(3), "public.b": _table(5, "e"), "public.c": _table(3, "e"), "public.n": _table(0)}
    assert back_out.written_since(copied, live) == {
        "public.b": "+2 rows", "public.c": "rows changed", "public.d": "no longer there", "public.n": "a new table",
    }  # fmt: skip


def test_large_objects_and_what_could_not_be_read_are_part_of_the_loss() -> None:
    digest = Digest(Method.TYPED, (("a", "integer"),))
    same = digest.copy_record()
    copied = DataCopy(
        final=True, snapshot="s", source_identifier="1", target_identifier="2", tables={"public.a": same},
        unproven={"public.x": "closed"}, sequences={}, sequences_after={}, large_objects=0, large_objects_digest=same.digest,
    )  # fmt: skip
    found: dict[str, Digest | CouldNotVerify] = {"public.a": digest, LARGE_OBJECTS: digest, "public.x": digest}
    never = {"public.x": "not known: it could not be read when it was copied"}
    assert back_out.database_since(copied, found) == never
    more = Digest(Method.TYPED, digest.signature)
    more.add([(1, 1, 1, 1)])
    closed = CouldNotVerify("public.a", expected="rows", found="permission denied", remedy="none")
    assert back_out.database_since(copied, found | {LARGE_OBJECTS: more, "public.a": closed}) == never | {
        LARGE_OBJECTS: "changed", "public.a": "could not be read: permission denied",
    }  # fmt: skip


def test_new_files_are_counted_too() -> None:
    before = {"/u": FileCount(files=3, links=0, bytes=1), "/v": FileCount(files=1, links=0, bytes=1)}
    now = {"/u": FileCount(files=5, links=0, bytes=9), "/v": FileCount(files=1, links=0, bytes=1)}
    assert back_out.files_since(before, now) == {"/u": "+2 files"}


def test_what_went_into_redis_is_part_of_the_loss(plan: Plan) -> None:
    assert back_out.redis_since(plan.model_copy(update={"redis": None})) == {}
    told = back_out.redis_since(plan.model_copy(update={"redis": Redis(mode="copied")}))
    assert "redis-server.service: whatever was put there" in back_out.loss_text(told, PurePosixPath("/mnt/x"))


def test_the_loss_is_said_in_words() -> None:
    directory = PurePosixPath("/mnt/x")
    assert "lack nothing" in back_out.loss_text({}, directory)
    said = back_out.loss_text({"public.b": "+2 rows"}, directory)
    assert "  public.b: +2 rows" in said
    assert "It is saved on the target: /mnt/x" in said


def test_a_target_whose_data_cannot_be_saved_keeps_production_no_longer_shut(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.record(_facts())
    run.journal(TargetOpened())
    done: list[str] = []

    def full(*_: Any) -> None:
        raise StepFailed("a unit", expected="success", found="No space left on device", remedy="mend it")

    def gives_up(_connections: Any, _confirm: Any, unsaved: str) -> None:
        done.append(back_out.loss_text({"public.b": "+2 rows"}, PurePosixPath("/mnt/x"), unsaved))

    monkeypatch.setattr(back_out, "_fence", lambda _: None)
    monkeypatch.setattr(back_out, "run_unit", full)
    monkeypatch.setattr(back_out, "_give_up_writes", gives_up)
    monkeypatch.setattr(back_out.firewall, "set_ingress", lambda *_: done.append("the firewall is closed"))
    target = SimpleNamespace(lock=lambda *_: None, unlock=lambda: None)
    connections: Any = SimpleNamespace(plan=plan, run=run, target=target, cloud=None)
    back_out._leave_target(connections, lambda *_: True)
    assert "could not be saved (No space left on device)" in done[0]
    assert "It is saved" not in done[0]
    assert done[1:] == ["the firewall is closed"]
    assert not run.happened(TargetSaved)


def test_the_save_is_whole_or_not_at_all_and_removes_nothing(plan: Plan, run: Run) -> None:
    directory = back_out.saved_directory(plan, run)
    assert str(directory) == "/mnt/gonogo-back-out/20261101T000000Z-smallpayroll"
    script = back_out.save_script(plan, directory)
    database = shlex.quote("dbname='payroll_prod'")
    assert script.startswith(f"set -- {directory} 5432 {database} {plan.files[0].path}\n")
    assert "set -euo pipefail\numask 077\n" in script
    assert 'pg_dump --port="$port" --format=custom "$database") >database.part' in script
    assert script.index("sync database.part") < script.index("mv -f database.part database.dump")
    assert "rm " not in script


def test_no_way_back_deletes_anything_of_the_users() -> None:
    room = ROOT / "steps" / "back_out"
    text = "".join(path.read_text(encoding="utf-8") for path in room.iterdir() if path.suffix in (".py", ".sh"))
    assert "DROP" not in text
    assert "--delete" not in text
    assert "rsync" not in text


def test_the_fenced_target_lets_in_the_operator_alone(plan: Plan) -> None:
    rules = back_out.operator_alone(plan)
    assert {rule.source for rule in rules} == {str(ip_network(str(plan.operator.address)))}


@pytest.mark.parametrize("agreed", [False, True])
def test_a_back_out_begins_once_the_loss_of_an_unreachable_target_is_accepted(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    run.record(_facts())
    run.record(SURVEY)
    run.journal(SourceClosed())
    run.journal(TargetOpened())
    shut: list[bool] = []

    def away(_: Any) -> bool:
        raise CouldNotVerify("the target", expected="an answer", found="no route", remedy="see that it runs")

    def set_ingress(*_: Any) -> None:
        shut.append(run.happened(BackOutStarted))

    monkeypatch.setattr(back_out.guards, "prove_target", away)
    monkeypatch.setattr(back_out.firewall, "set_ingress", set_ingress)
    connections: Any = SimpleNamespace(plan=plan, run=run, cloud=SimpleNamespace(verify_account=lambda: None))
    if not agreed:
        with pytest.raises(Refused, match="nothing was changed"):
            back_out.back_out(connections, lambda *_: False)
        assert "a back-out was begun" not in standing(run.entries()).sentence(str)
        assert not run.happened(BackOutStarted)
        assert shut == []
    else:
        back_out.back_out(connections, lambda *_: True)
        assert shut == [True], "the firewall is changed once the journal says so"
        kinds = [e.kind for e in run.entries()]
        assert kinds[-4:] == ["back_out_started", "writes_given_up", "target_away", "backed_out"]
        back_out.back_out(connections, lambda *_: False)  # what was accepted is not asked again


class _DeadDatabase:
    """A target that answers by SSH, whose PostgreSQL is down, does not start, or runs and serves nobody."""

    name, address = "target", "198.51.100.20"

    def __init__(self, unit: str, refuses: str = "") -> None:
        self.unit, self.refuses = unit, refuses
        self.done: list[str] = []

    def lock(self, *_: str) -> None: ...

    def unlock(self) -> None: ...

    def succeeds(self, argv: list[str], **_: Any) -> bool:
        return self.unit == "active" or (self.unit == "starts" and "is-active" not in argv)

    def check(self, argv: list[str], **_: Any) -> str:
        command = " ".join(argv)
        if self.refuses and self.refuses in command:
            raise StepFailed(command, expected="exit code 0", found="Input/output error", remedy="mend it")
        self.done.append(command)
        return "PANIC: could not locate a valid checkpoint record"

    def write_file(self, path: str, *_: Any) -> None:
        self.check(["write", path])

    def value(self, _: str) -> int:
        if self.unit != "starts":
            raise CouldNotVerify("payroll", expected="a session", found="could not read block 0", remedy="see its log")
        return 1


def _with_dead_database(plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, host: _DeadDatabase) -> Any:
    run.record(_facts())
    run.record(SURVEY)
    run.journal(SourceClosed())
    run.journal(TargetOpened())
    monkeypatch.setattr(back_out.guards, "prove_target", lambda _: True)
    monkeypatch.setattr(back_out.firewall, "set_ingress", lambda *_: host.done.append("the firewall is closed"))
    return SimpleNamespace(plan=plan, run=run, target=host, target_db=host, cloud=None)


@pytest.mark.parametrize("unit", ["dead", "active"])
def test_a_target_whose_postgresql_serves_nobody_is_given_up_by_word_and_kept_down(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    host = _DeadDatabase(unit)
    connections = _with_dead_database(plan, run, monkeypatch, host)
    asked: list[str] = []

    def confirm(text: str, word: str) -> bool:
        assert not run.happened(BackOutStarted)
        asked.append(text)
        return word == plan.web.hostnames[0]

    with pytest.raises(Refused, match="nothing was changed"):
        back_out.back_out(connections, lambda *_: False)
    assert not run.happened(BackOutStarted)
    assert not [one for one in host.done if "systemctl stop" in one or "firewall" in one]
    back_out.back_out(connections, confirm)
    assert "neither counted nor saved" in asked[0]
    assert ("valid checkpoint record" if unit == "dead" else "could not read block 0") in asked[0]
    kinds = [e.kind for e in run.entries()]
    assert kinds[-4:] == ["back_out_started", "writes_given_up", "target_fenced", "backed_out"]
    assert kinds.count("target_database_started") == (2 if unit == "dead" else 0)
    done = "\n".join(host.done)
    pack, database = " ".join(plan.application.pack), back_out.server_unit(plan)
    assert done.index("the firewall is closed") < done.index(f"systemctl stop -- {pack}")
    assert f"systemctl disable --quiet -- {pack} postgresql.service {database}" in done
    assert f"write {QUARANTINED}" in done
    assert done.endswith(f"systemctl stop -- {database}")
    back_out.back_out(connections, confirm)
    assert len(asked) == 1, "what was accepted is not asked again"


def test_a_dead_target_that_does_not_do_as_it_is_told_keeps_production_no_longer_shut(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = _DeadDatabase("dead", refuses="write")
    back_out.back_out(_with_dead_database(plan, run, monkeypatch, host), lambda *_: True)
    away = next(e for e in run.entries() if isinstance(e, TargetAway))
    assert "valid checkpoint record" in away.reason
    assert f"write {QUARANTINED}: Input/output error" in away.reason
    assert host.done[-1] == f"systemctl stop -- {back_out.server_unit(plan)}", "the rest was done all the same"


def test_a_postgresql_that_starts_again_is_fenced_saved_and_counted(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = _with_dead_database(plan, run, monkeypatch, _DeadDatabase("starts"))
    left: list[Any] = []
    monkeypatch.setattr(back_out, "_leave_target", lambda *args: left.append(args))
    back_out.back_out(connections, lambda *_: pytest.fail("nothing is lost yet"))
    assert [e.kind for e in run.entries()][-3:] == ["target_database_started", "back_out_started", "backed_out"]
    assert len(left) == 1


@pytest.mark.parametrize("fault", [StepFailed, CouldNotVerify])
def test_a_target_that_was_never_open_and_cannot_be_stopped_does_not_keep_production_shut(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, fault: type[GonogoError]
) -> None:
    run.record(_facts())
    run.record(SURVEY)

    def fails(*_: Any) -> bool:
        raise fault("a unit", expected="to stop", found="a disk that does not answer", remedy="mend it")

    monkeypatch.setattr(back_out.guards, "prove_target", lambda _: False)
    monkeypatch.setattr(back_out, "stop_pack_if_there", fails)
    target = SimpleNamespace(lock=lambda *_: None, unlock=lambda: None)
    connections: Any = SimpleNamespace(plan=plan, run=run, target=target)
    back_out.back_out(connections, lambda *_: True)
    assert [e.kind for e in run.entries()][-3:] == ["back_out_started", "target_away", "backed_out"]


class _Fenced:
    """An opened target; it keeps what was done to it, in order."""

    name, address = "target", "198.51.100.20"

    def __init__(self) -> None:
        self.done: list[str] = []

    def file(self, _: str) -> Any:
        return SimpleNamespace(exists=True)

    def read_file(self, _: str) -> str:
        return "{}"

    def check(self, argv: list[str], **_: Any) -> str:
        self.done.append(" ".join(argv))
        return ""


@pytest.mark.parametrize("fault", [None, Refused, StepFailed, CouldNotVerify])
def test_an_opened_target_shows_the_page_while_it_is_fenced_where_it_can(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, fault: type[GonogoError] | None
) -> None:
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed=CLOSED))
    target = _Fenced()

    def prepare(*_: Any, as_it_lies: bool) -> str:
        assert as_it_lies, "the target's configuration is gonogo's own"
        if fault:
            raise fault("nginx", expected="one", found="none", remedy="start it")
        return "the site"

    monkeypatch.setattr(back_out.maintenance, "prepare", prepare)
    monkeypatch.setattr(back_out.maintenance, "shut", lambda _, site, page: target.done.append(f"{site}: {page}"))
    monkeypatch.setattr(back_out.maintenance, "reopen", lambda *_: target.done.append("serves again"))
    for module, name in ((back_out.quarantine, "hold"), (back_out.quarantine, "lift"), (back_out.cutover, "drain")):
        monkeypatch.setattr(module, name, lambda *_, name=name: target.done.append(name))
    for name in ("fence", "unfence"):
        monkeypatch.setattr(fence, name, lambda *_, name=name: target.done.append(name))
    monkeypatch.setattr(back_out, "start_pack", lambda *_: target.done.append("start_pack"))
    connections: Any = SimpleNamespace(plan=plan, run=run, target=target, target_db=None)
    back_out._fence(connections)
    if fault:
        assert target.done[0] == "hold", "no page holds up the way back"
    else:
        assert "the site: <!doctype html>" in target.done[0]
        assert "has been closed since" in target.done[0]
    assert target.done[-1] == "fence"
    back_out._unfence(connections)
    assert target.done[-2] == "serves again"
    assert target.done.index("serves again") > target.done.index("lift")


def test_a_back_out_that_was_called_off_begins_anew(plan: Plan, run: Run) -> None:
    for kind in (BackOutStarted, TargetUnfenced):
        run.journal(kind())
    connections: Any = SimpleNamespace(plan=plan, run=run)
    back_out.back_out(connections, lambda *_: True)
    assert [e.kind for e in run.entries()].count("back_out_started") == 2
