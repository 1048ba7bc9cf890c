"""The backup as it runs on the target, by itself: `python3 backup.py backup|test CONFIGURATION`.

It imports nothing of gonogo's and goes on working when gonogo is gone. `backup` streams the database, its roles and the
users' files to S3; nothing is written to a disk, and what has no manifest is no backup. `test` fetches the newest backup
as a restore would, restores it beside the living database, compares, and removes it again.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

PARTS = 4000
"""How many parts a large object is cut into at most; S3 takes 10000."""

_MARK = "--end-of-answer--"
_BLOCK = 1 << 20

Facts = dict[str, Any]


class Failure(Exception):
    """Why there is no backup, or why it is none that can be restored."""


def _connection(database: str) -> str:
    """A database as PostgreSQL's programs are told of it: a bare name with "=" would be taken for something else."""
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"


class Sql:
    """A psql that stays open, so that one transaction lasts as long as we need it."""

    def __init__(self, configuration: Facts, database: str) -> None:
        command = ["psql", "-XAtq", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
                   f"--port={configuration['port']}", f"--dbname={_connection(database)}"]  # fmt: skip
        self._psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, value in configuration["settings"].items():
            self.ask(f"SELECT set_config('{name}', '{value}', false);")

    def ask(self, statement: str) -> list[list[str]]:
        """The rows that the statements give; raises `Failure` when psql ends over them."""
        assert self._psql.stdin is not None
        assert self._psql.stdout is not None
        try:
            self._psql.stdin.write(f"{statement}\n\\echo {_MARK}\n")
            self._psql.stdin.flush()
        except BrokenPipeError:
            raise Failure("psql ended; its own error message stands above") from None
        rows: list[list[str]] = []
        for line in self._psql.stdout:
            text = line.removesuffix("\n")
            if text == _MARK:
                return rows
            rows.append(text.split("\x1f"))
        raise Failure("psql ended; its own error message stands above")

    def value(self, statement: str) -> str:
        """The first column of the first row."""
        return self.ask(statement)[0][0]

    def close(self) -> None:
        """End the transaction and the session."""
        assert self._psql.stdin is not None
        self._psql.stdin.close()
        self._psql.wait()


def content(sql: Sql, configuration: Facts) -> Facts:
    """What the session's database holds: rows and digest of every table, and the large objects."""
    tables = {name: {"rows": int(rows), "digest": digest} for name, rows, digest in sql.ask(configuration["tables"])}
    count, digest = sql.ask(configuration["large_objects"] + ";")[0]
    return {"tables": tables, "large_objects": {"count": int(count), "digest": digest}}


class Hashed:
    """A stream that is counted and hashed while it is read; its end is `at_end`'s to judge."""

    def __init__(self, stream: IO[bytes], at_end: Callable[[], None] = lambda: None) -> None:
        self._stream, self._at_end = stream, at_end
        self._hash = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as were asked for unless the stream ends."""
        data = self._stream.read(size)
        self._hash.update(data)
        self.bytes += len(data)
        if not data and size != 0:
            self._at_end()
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(_BLOCK):
            pass

    @property
    def facts(self) -> Facts:
        """What a manifest says of an object."""
        return {"bytes": self.bytes, "sha256": self._hash.hexdigest()}


class Bucket:
    """The plan's bucket, as the instance's own role may use it."""

    def __init__(self, configuration: Facts) -> None:
        self._name = configuration["bucket"]
        self._prefix = configuration["prefix"]
        self._manifest = f"/{configuration['manifest']}"
        self._owner = {"ExpectedBucketOwner": configuration["account"]}
        self._sealed = {"ServerSideEncryption": configuration["encryption"], **self._owner}
        if configuration["kms_key"]:
            self._sealed["SSEKMSKeyId"] = configuration["kms_key"]
        settings: Facts = {"retries": {"mode": "standard", "total_max_attempts": 5}}
        if configuration["endpoint"]:
            settings |= {"s3": {"addressing_style": "path"}, "proxies": {}}
            os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        self._s3 = boto3.client(
            "s3",
            region_name=configuration["region"],
            endpoint_url=configuration["endpoint"] or None,
            config=Config(**settings),
        )

    def stream(self, key: str, command: list[str], about: int, good: Iterable[int] = (0,)) -> Facts:
        """Upload what the command prints, roughly `about` bytes; one that fails leaves no object behind: `Failure`."""
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None

            def judge() -> None:
                if process.wait() not in good:
                    raise Failure(f"{command[0]} ended with {process.returncode}; its own error message stands above")

            hashed = Hashed(process.stdout, judge)
            # Without threads there is one part in memory, not ten.
            settings = TransferConfig(use_threads=False, multipart_chunksize=max(8 * _BLOCK, about // PARTS))
            self._s3.upload_fileobj(hashed, self._name, self._key(key), ExtraArgs=self._sealed, Config=settings)
        return hashed.facts

    def put(self, key: str, data: bytes) -> Facts:
        """Upload bytes."""
        self._s3.put_object(Bucket=self._name, Key=self._key(key), Body=data, **self._sealed)
        return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def get(self, key: str) -> IO[bytes]:
        """An object's content."""
        body: IO[bytes] = self._s3.get_object(Bucket=self._name, Key=self._key(key), **self._owner)["Body"]
        return body

    def newest(self) -> str | None:
        """The name of the newest whole backup, None where there is none."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._name, Prefix=f"{self._prefix}/", **self._owner
        )
        ends = self._manifest
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        whole = [key.removeprefix(f"{self._prefix}/").removesuffix(ends) for key in keys if key.endswith(ends)]
        return max(whole, default=None)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"


# --- files ------------------------------------------------------------------------------------------------------------


def listing(directories: Iterable[str]) -> tuple[dict[str, list[Any]], dict[str, tuple[int, ...]]]:
    """Path -> kind, mode, owner, group, size and content of everything below; and what tells whether it changed since."""
    entries: dict[str, list[Any]] = {}
    moments: dict[str, tuple[int, ...]] = {}
    for path in sorted(_below(directories)):
        try:
            facts, content_ = path.lstat(), ""
            if stat.S_ISLNK(facts.st_mode):
                content_ = str(path.readlink())
            elif stat.S_ISREG(facts.st_mode):
                content_ = _sha256(path)
        except FileNotFoundError:
            continue
        name = str(path).lstrip("/")
        size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        kind = stat.filemode(facts.st_mode)[0]
        entries[name] = [kind, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid, size, content_]
        moments[name] = _moment(facts)
    return entries, moments


def unchanged(entries: dict[str, list[Any]], moments: dict[str, tuple[int, ...]]) -> dict[str, list[Any]]:
    """Those entries that are still what they were: users go on, and what they changed meanwhile is not claimed."""
    kept = {}
    for name, facts in entries.items():
        try:
            now = _moment(Path("/", name).lstat())
        except FileNotFoundError:
            continue
        if now == moments[name]:
            kept[name] = facts
    return kept


def compare_archive(stream: Any, expected: dict[str, list[Any]]) -> list[str]:
    """What an archive lacks or has otherwise than expected; reads all of it, unpacks nothing to a disk."""
    found: dict[str, list[Any]] = {}
    with tarfile.open(fileobj=stream, mode="r|gz") as archive:
        for member in archive:
            name = member.name.strip("/")
            if member.islnk():
                found[name] = found.get(member.linkname.strip("/"), [])
                continue
            kind, size, inside = "?", 0, ""
            if member.isreg():
                kind, size = "-", member.size
                inside = _sha256_of(archive.extractfile(member))
            elif member.issym():
                kind, inside = "l", member.linkname
            elif member.isdir():
                kind = "d"
            found[name] = [kind, stat.S_IMODE(member.mode), member.uid, member.gid, size, inside]
    differences = []
    for name, facts in expected.items():
        kind = facts[0]
        if kind not in "-ld":
            continue  # a socket or a pipe: no archive keeps it
        if name not in found:
            differences.append(f"/{name}: not in the archive")
        elif found[name] != facts and not (kind == "l" and found[name][0] == "l" and found[name][5] == facts[5]):
            differences.append(f"/{name}: another entry in the archive")
    return differences


def _below(directories: Iterable[str]) -> Iterator[Path]:
    for directory in directories:
        yield Path(directory)
        for root, names, files in os.walk(directory):
            yield from (Path(root, name) for name in (*names, *files))


def _moment(facts: os.stat_result) -> tuple[int, ...]:
    return (
        (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_size) if not stat.S_ISDIR(facts.st_mode) else ()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return _sha256_of(file)


def _sha256_of(file: IO[bytes] | None) -> str:
    total = hashlib.sha256()
    while file is not None and (block := file.read(_BLOCK)):
        total.update(block)
    return total.hexdigest()


# --- the two things it does ---------------------------------------------------------------------------------------------


def back_up(configuration: Facts, job: str) -> Facts:
    """Make a backup; gives its manifest, which is in the bucket then."""
    begun = datetime.now(UTC)
    name = f"{begun:%Y%m%dT%H%M%SZ}"
    bucket = Bucket(configuration)
    objects: Facts = {}
    sql = Sql(configuration, configuration["database"])
    try:
        sql.ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        snapshot = sql.value("SELECT pg_export_snapshot();")
        size = int(sql.value("SELECT pg_database_size(current_database());"))
        server, identifier = sql.ask(
            "SELECT current_setting('server_version'), (SELECT system_identifier FROM pg_control_system());"
        )[0]
        held = content(sql, configuration)
        port = f"--port={configuration['port']}"
        dump = ["pg_dump", port, f"--snapshot={snapshot}", "--format=custom", "--lock-wait-timeout=60000"]
        part = configuration["dump"]
        objects[part] = bucket.stream(f"{name}/{part}", [*dump, _connection(configuration["database"])], size)
    finally:
        sql.close()
    objects["globals.sql"] = bucket.stream(f"{name}/globals.sql", ["pg_dumpall", port, "--globals-only"], 0)
    entries, moments = listing(configuration["directories"])
    total = sum(facts[4] for facts in entries.values())
    tar = ["tar", "--create", "--directory=/", "--use-compress-program=gzip -1", "--acls", "--xattrs",
           "--numeric-owner"]  # fmt: skip
    paths = [directory.lstrip("/") for directory in configuration["directories"]]
    # 1 says that a file changed or went while it was read: on a living host that is no failure.
    objects["files.tar.gz"] = bucket.stream(
        f"{name}/files.tar.gz", [*tar, "--files-from=/dev/null", "--", *paths], total, good=(0, 1)
    )
    kept = unchanged(entries, moments)
    listed = gzip.compress(json.dumps(kept).encode("utf-8", "surrogateescape"), mtime=0)
    objects["files.json.gz"] = bucket.put(f"{name}/files.json.gz", listed)
    manifest = {
        "name": name,
        "begun": begun.isoformat(),
        "finished": datetime.now(UTC).isoformat(),
        "job": job,
        "database": configuration["database"],
        "database_bytes": size,
        "identifier": identifier,
        "server": server,
        **held,
        "files": {"entries": len(kept), "bytes": total},
        "objects": objects,
    }
    bucket.put(f"{name}/{configuration['manifest']}", json.dumps(manifest, indent=1).encode())
    return manifest


def test(configuration: Facts, job: str) -> Facts:
    """Restore the newest backup beside the living database and compare; gives what was found. `Failure` without any."""
    begun = time.monotonic()
    bucket = Bucket(configuration)
    name = bucket.newest()
    if name is None:
        raise Failure("there is no whole backup in the bucket")
    manifest: Facts = json.load(bucket.get(f"{name}/{configuration['manifest']}"))
    differences: list[str] = []

    @contextmanager
    def fetched(part: str) -> Iterator[Hashed]:
        hashed = Hashed(bucket.get(f"{name}/{part}"))
        yield hashed
        hashed.drain()
        if hashed.facts != manifest["objects"][part]:
            differences.append(f"{part}: {hashed.bytes} bytes, not those of the manifest")

    differences += _test_database(configuration, manifest, fetched)
    with fetched("globals.sql") as globals_:
        globals_.drain()
    with fetched("files.json.gz") as listed:
        expected = json.loads(gzip.decompress(listed.read()).decode("utf-8", "surrogateescape"))
    with fetched("files.tar.gz") as archive:
        differences += compare_archive(archive, expected)
    return {
        "backup": name,
        "made": manifest["finished"],
        "job": manifest["job"],
        "tested_by": job,
        "tables": manifest["tables"],
        "files": len(expected),
        "differences": differences[:20],
        "seconds": round(time.monotonic() - begun, 3),
    }


def _test_database(configuration: Facts, manifest: Facts, fetched: Callable[[str], Any]) -> list[str]:
    ours = configuration["scratch"]
    scratch = f"{ours}{manifest['name'].lower()}"
    admin = Sql(configuration, "postgres")
    try:
        for (left,) in admin.ask("SELECT datname FROM pg_database;"):
            _drop(admin, left, ours)
        place = admin.value("SHOW data_directory;")
        needed, free = int(manifest["database_bytes"] * 1.3), shutil.disk_usage(place).free
        if free < needed:
            raise Failure(f"{place}: {free} bytes are free, the restored database needs about {needed}")
        as_it_is = "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname"
        living = configuration["database"].replace("'", "''")
        encoding, collation, ctype = admin.ask(f"{as_it_is} = '{living}';")[0]
        admin.ask(
            f"CREATE DATABASE {scratch} TEMPLATE template0 ENCODING '{encoding}'"
            f" LC_COLLATE '{collation}' LC_CTYPE '{ctype}';"
        )
        try:
            return _restored(configuration, manifest, fetched, scratch)
        finally:
            _drop(admin, scratch, ours)
    finally:
        admin.close()


def _restored(configuration: Facts, manifest: Facts, fetched: Callable[[str], Any], scratch: str) -> list[str]:
    command = ["pg_restore", f"--port={configuration['port']}", "--exit-on-error", "--single-transaction",
               f"--dbname={scratch}"]  # fmt: skip
    with fetched(configuration["dump"]) as dump, subprocess.Popen(command, stdin=subprocess.PIPE) as restore:
        assert restore.stdin is not None
        try:
            shutil.copyfileobj(dump, restore.stdin, _BLOCK)
            restore.stdin.close()
        except BrokenPipeError:
            pass  # its exit code tells
    if restore.returncode != 0:
        return [f"pg_restore ended with {restore.returncode}; its own error message stands in the journal"]
    sql = Sql(configuration, scratch)
    try:
        found = content(sql, configuration)
    finally:
        sql.close()
    differences = []
    for table in sorted({*manifest["tables"], *found["tables"]}):
        expected, now = manifest["tables"].get(table), found["tables"].get(table)
        if expected != now:
            differences.append(f"{table}: {now or 'absent'} instead of {expected or 'absent'}")
    if found["large_objects"] != manifest["large_objects"]:
        differences.append(f"large objects: {found['large_objects']} instead of {manifest['large_objects']}")
    return differences


def _drop(admin: Sql, database: str, ours: str) -> None:
    """Drop a database that a restore test made (its name begins with `ours`), and no other, whatever it is called."""
    if re.fullmatch(rf"{ours}[0-9]{{8}}t[0-9]{{6}}z", database):
        admin.ask(f"DROP DATABASE {database} WITH (FORCE);")


def main(action: str, path: str) -> int:
    """Do it, and print what came of it as JSON in the last line."""
    text = Path(path).read_text(encoding="utf-8")
    job = hashlib.sha256(Path(__file__).read_bytes() + text.encode()).hexdigest()
    try:
        done = {"backup": back_up, "test": test}[action](json.loads(text), job)
    except Failure as error:
        sys.stderr.write(f"no {action}: {error}\n")
        return 1
    if action == "backup":
        done = {key: done[key] for key in ("name", "finished", "objects")}
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
