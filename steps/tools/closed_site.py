"""The main file by which nginx answers 503 for one application and serves all others as before. Pure: text in, text out.

Whatever is not the application's stays what it is, byte for byte: files are included as before, and a file that has a server of the
application stands, with a few lines more, in the place of its include.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fixtures.facts.webserver import Configuration
from fixtures.run.places import CLOSED_SITE

RETRY_AFTER = 120
"""Seconds after which programs may ask again."""
# As nginx reads: a quote, `#`, `}` and a variable's brace are what they are at the beginning of a word alone.
_TOKEN = re.compile(r"""
    (?P<blank>[ \t\r\n]+ | \#[^\n]*)
    | "(?P<double>(?:[^"\\]|\\.)*)"(?=[ \t\r\n;{)]) | '(?P<single>(?:[^'\\]|\\.)*)'(?=[ \t\r\n;{)])
    | (?P<mark>[;{}])
    | (?P<word>(?:\\.|\$\{|[^ \t\r\n;{}"'\#\\])(?:\\.|\$\{|[^ \t\r\n;{\\])*)
    """, re.VERBOSE | re.DOTALL)  # fmt: skip
_LUA = re.compile(r"""
    -- \[ (?P<comment>=*) \[ .*? \] (?P=comment) \] | --(?!\[=*\[)[^\n]* | \[ (?P<long>=*) \[ .*? \] (?P=long) \]
    | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?!(?:--)?\[=*\[)[^"']
    """, re.VERBOSE | re.DOTALL)  # fmt: skip
_ESCAPED = re.compile(r"\\([\"'\\tnr])")
_MEANT = {"t": "\t", "n": "\n", "r": "\r"}
_AHEAD = re.compile(r"server_rewrite_by_lua.*")
"""What may answer before the rewrite module does."""


class UnreadableError(ValueError):
    """What nginx may understand, and gonogo does not."""


class NotServedError(UnreadableError):
    """Nothing of it is the application's."""


@dataclass
class Node:
    """One directive in its file: what it says, and where it, and what is in its block, begins and ends."""

    file: str
    start: int
    words: list[str]
    end: int = 0
    opened: int = 0
    block: "list[Node] | None" = None

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0]

    @property
    def args(self) -> list[str]:
        """The other words."""
        return self.words[1:]


def read(text: str, file: str) -> list[Node]:
    """The directives of a file; raises `UnreadableError` for what nginx would read otherwise."""
    outside: list[list[Node]] = [[]]
    open_blocks: list[Node] = []
    now: Node | None = None
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at, file, "a quote that does not end as nginx wants it")
        kind, begun, at = match.lastgroup, at, match.end()
        if kind == "mark" and match["mark"] == "}":
            if now or not open_blocks:
                raise _unreadable(text, begun, file, "a } where none can stand")
            done = open_blocks.pop()
            done.end, done.block = at, outside.pop()
        elif kind == "mark":
            if now is None:
                raise _unreadable(text, begun, file, f"a {match['mark']} without a directive")
            outside[-1].append(now)
            now.end = now.opened = at
            if match["mark"] == "{":
                if now.name.endswith("_by_lua_block"):
                    now.block, now.end = [], _after_lua(text, at, file)
                    at = now.end
                else:
                    open_blocks.append(now)
                    outside.append([])
            now = None
        elif kind != "blank":
            now = now or Node(file, begun, [])
            now.words.append(_ESCAPED.sub(lambda sign: _MEANT.get(sign[1], sign[1]), match[kind or ""]))
    if now or open_blocks:
        raise _unreadable(text, (now or open_blocks[-1]).start, file, "a directive without an end")
    return outside[0]


def _after_lua(text: str, at: int, file: str) -> int:
    """Where a block of Lua ends that begins here: a brace counts that stands in no string and in no comment."""
    depth, begun = 1, at
    while depth and (match := _LUA.match(text, at)):
        at = match.end()
        depth += {"{": 1, "}": -1}.get(match[0], 0)
    if depth:
        raise _unreadable(text, begun, file, "a block of Lua without an end")
    return at


def _unreadable(text: str, at: int, file: str, what: str) -> UnreadableError:
    return UnreadableError(f"{file}, line {text.count(chr(10), 0, at) + 1}: {what}")


# --- which server answers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listen:
    """One `listen`: its address as it is written, and the words behind it."""

    address: str
    words: tuple[str, ...]

    @property
    def key(self) -> tuple[str, int | None]:
        """Host and port, the same for two that name the same address; a socket's path has no port."""
        if self.address.startswith("unix:"):
            return self.address, None
        match = re.fullmatch(r"(?:(.*):)?(\d+)(?:-\d+)?", self.address)
        host, port = (match[1], int(match[2])) if match else (self.address, 80)
        return ("*" if host in {None, "*", "0.0.0.0"} else host.lower()), port  # noqa: S104 - compared

    @property
    def port(self) -> int | None:
        """Its port; None for a socket's path."""
        return self.key[1]

    @property
    def is_default(self) -> bool:
        """Whether its server answers where no name fits."""
        return not {"default_server", "default"}.isdisjoint(self.words)

    @property
    def encrypted(self) -> bool:
        """Whether nothing is answered there without a certificate."""
        return not {"ssl", "quic"}.isdisjoint(self.words)


@dataclass
class Server:
    """A server of nginx: where it stands, what it listens to, and the names that it has."""

    node: Node
    listens: list[Listen]
    names: list[str]


class Names:
    """The names of the servers at one address, as nginx keeps them: of two that are the same it knows the first alone.

    `.app.test` is `app.test` and `*.app.test`, and where it has one of both already it leaves out the other one as well.
    """

    def __init__(self, servers: Iterable[Server], own: str) -> None:
        self._exact: dict[str, Server] = {}
        self._below: dict[str, tuple[Server, bool]] = {}
        self._before: dict[str, Server] = {}
        self._patterns: list[tuple[str, Server]] = []
        self._taken: set[str] = set()
        for server in servers:
            for name in server.names:
                self._add(own if name == "$hostname" else name, server)

    def _add(self, name: str, server: Server) -> None:
        if name.startswith("~"):
            self._patterns.append((name[1:], server))
            return
        name = name.lower()
        if name.startswith("*."):
            self._below.setdefault(name[2:], (server, False))
        elif name.endswith(".*"):
            self._before.setdefault(name[:-2], server)
        elif name.lstrip(".") not in self._taken:
            self._taken.add(name.lstrip("."))
            if name.startswith("."):
                self._below.setdefault(name[1:], (server, True))
            else:
                self._exact[name] = server

    def server_of(self, hostname: str) -> Server | None:
        """The server that has a name for it: the name itself, the longest that it ends with, begins with, a regular expression."""
        if hostname in self._exact:
            return self._exact[hostname]
        labels = hostname.split(".")
        for first in range(len(labels)):
            server, itself = self._below.get(".".join(labels[first:]), (None, False))
            if server and (first or itself):
                return server
        for last in range(len(labels) - 1, 0, -1):
            if server := self._before.get(".".join(labels[:last])):
                return server
        return next((server for pattern, server in self._patterns if _pattern(pattern).search(hostname)), None)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", text), re.IGNORECASE)
    except re.error as error:
        raise UnreadableError(f"server_name ~{text}: a regular expression that cannot be read here ({error})") from None


@dataclass(frozen=True)
class Closing:
    """What is to be closed: the names of the application, and the file of its site."""

    hostnames: Sequence[str]
    site: str
    own_name: str = ""
    """What the host calls itself: nginx may answer to it as `$hostname`."""


@dataclass
class Tree:
    """A configuration whose includes are followed."""

    configuration: Configuration
    _read: dict[str, list[Node]] = field(default_factory=dict)

    def of(self, file: str) -> list[Node]:
        """The directives of a file."""
        if file not in self._read:
            self._read[file] = read(self.configuration.files[file].text, file)
        return self._read[file]

    def named(self, include: Node) -> tuple[str, ...]:
        """The files that an include names."""
        (word,) = include.args
        pattern = posixpath.join(posixpath.dirname(self.configuration.main), word)
        found = self.configuration.included.get(pattern, ())
        if not found and (pattern not in self.configuration.included or not re.search(r"[*?\[]", pattern)):
            raise UnreadableError(f"{include.file}: include {word}, which names no file that could be read")
        return found

    def inside(self, nodes: Iterable[Node], above: tuple[str, ...] = ()) -> Iterator[Node]:
        """Directives, those of included files in the places of their includes."""
        for node in nodes:
            if node.name == "include" and node.block is None:
                for file in self.named(node):
                    if file in above:
                        raise UnreadableError(f"{file} includes itself")
                    yield from self.inside(self.of(file), (*above, file))
            else:
                yield node

    def everything(self) -> Iterator[Node]:
        """Every directive of every file, in whatever block, in no order."""
        left = list(self.inside(self.of(self.configuration.main)))
        while left:
            node = left.pop()
            yield node
            left += self.inside(node.block or [])

    @cached_property
    def http(self) -> Node:
        """The block that all servers of web sites are in."""
        found = [
            one for one in self.inside(self.of(self.configuration.main)) if one.name == "http" and one.block is not None
        ]
        if len(found) != 1:
            raise UnreadableError(f"{self.configuration.main}: {len(found)} blocks http, and not one")
        return found[0]

    @cached_property
    def servers(self) -> list[Server]:
        """Every server of the web, in nginx's order."""
        found = []
        for node in self.inside(self.http.block or []):
            if node.name == "server" and node.block is not None:
                inner = list(self.inside(node.block))
                listens = [Listen(one.args[0], tuple(one.args[1:])) for one in inner if one.name == "listen"]
                names = [name for one in inner if one.name == "server_name" for name in one.args]
                found.append(Server(node, listens or [Listen("80", ())], names))
        return found

    def chosen(self, key: tuple[str, int | None], hostname: str, own: str) -> tuple[Server, bool]:
        """The server that answers to a name at an address, and whether it does so by its name."""
        there = [one for one in self.servers if any(listen.key == key for listen in one.listens)]
        if server := Names(there, own).server_of(hostname.lower()):
            return server, True
        flagged = (one for one in there if any(listen.key == key and listen.is_default for listen in one.listens))
        return next(flagged, there[0]), False


def closed(configuration: Configuration, closing: Closing, page: str) -> str:
    """The main file, closed, with the page that users get; raises `UnreadableError` where it cannot be told how nginx would understand it."""
    tree = Tree(configuration)
    for node in tree.everything():
        if _AHEAD.fullmatch(node.name):
            raise UnreadableError(f"{node.file}: {node.name}, which could answer before the page does")
    shut = _of_the_application(tree, closing)
    more = _beside(tree, closing, shut)
    edits: dict[str, dict[int, str]] = {}
    for server in shut:
        edits.setdefault(server.node.file, {})[server.node.opened] = _answer(page)
    if more:
        edits.setdefault(tree.http.file, {})[tree.http.end - 1] = _server(more, closing.hostnames, page)
    return f"{CLOSED_SITE}\n{_heading(configuration, shut)}{_written(tree, configuration.main, edits)}"


def _of_the_application(tree: Tree, closing: Closing) -> list[Server]:
    """The servers that a name of the application finds, and those of its site's file.

    Where that is the main file it holds other sites too: without a server that has one of the names it is the default one.
    """
    named: list[Server] = []
    default: list[Server] = []
    for key in dict.fromkeys(listen.key for server in tree.servers for listen in server.listens):
        for hostname in closing.hostnames:
            server, by_name = tree.chosen(key, hostname, closing.own_name)
            (named if by_name else default).append(server)
    if closing.site in _names_of(tree, tree.configuration.main):
        of_site = [] if named else [one for one in default if one.node.file == tree.configuration.main]
    else:
        of_site = [one for one in tree.servers if closing.site in _names_of(tree, one.node.file)]
    shut = [one for one in tree.servers if _among(one, [*named, *of_site])]
    if not shut:
        raise NotServedError(f"no server has a name of {', '.join(closing.hostnames)}, or stands in {closing.site}")
    return shut


def _names_of(tree: Tree, file: str) -> set[str]:
    return {file, tree.configuration.files[file].real}


def _among(server: Server, others: Iterable[Server]) -> bool:
    return any(server is one for one in others)


def _beside(tree: Tree, closing: Closing, shut: Sequence[Server]) -> list[Listen]:
    """Where a server that serves others too answers to a name of the application: one of ours takes the name from it there.

    Raises `UnreadableError` where none can, for want of a certificate: users would meet that server's answer.
    """
    ports = {80, *(listen.port for server in shut for listen in server.listens if listen.port)}
    listens: dict[tuple[str, int | None], list[Listen]] = {}
    for listen in (listen for server in tree.servers for listen in server.listens):
        listens.setdefault(listen.key, []).append(listen)
    found: dict[tuple[str, int | None], Listen] = {}
    for hostname in closing.hostnames:
        chosen = {key: tree.chosen(key, hostname, closing.own_name)[0] for key in listens if key[1] in ports}
        still_open = {key: server for key, server in chosen.items() if not _among(server, shut)}
        encrypted = {key for key in still_open if any(one.encrypted for one in listens[key])}
        found |= {key: listens[key][0] for key in still_open.keys() - encrypted}
        if encrypted and not any(key[1] in {one[1] for one in encrypted} for key in chosen.keys() - still_open.keys()):
            file = still_open[min(encrypted, key=str)].node.file
            raise UnreadableError(
                f"{hostname} is answered over TLS by a server of {file} that has not its name, and does not stand in {closing.site}: "
                "it may be another site's"
            )
    return [found[key] for key in listens if key in found]


# --- writing ------------------------------------------------------------------------------------------------------------


def _answer(page: str) -> str:
    """What a closed server does first: its rewrite phase comes before every location, method and condition of its own.

    The page stands in the answer itself, so that no right to a file is needed, and no type of a file's name is taken for it.
    """
    # nginx would put variables in for $, and has no sign that means the sign itself.
    quoted = page.replace("\\", "&#92;").replace("$", "&#36;").replace("'", "&#39;").rstrip("\n")
    return f"""
    # --- gonogo: closed ---
    error_page 503 @gonogo_closed;
    return 503;
    location @gonogo_closed {{
        types {{ }}
        default_type text/html;
        add_header Retry-After {RETRY_AFTER} always;
        add_header Cache-Control no-store always;
        return 503 '{quoted}
';
    }}
    # --- gonogo: end ---
"""


def _server(listens: Sequence[Listen], hostnames: Sequence[str], page: str) -> str:
    """A server of ours for the application's names, where another one answers to them that serves other sites too."""
    lines = "".join(
        f"    listen {' '.join([one.address, *(word for word in one.words if word == 'proxy_protocol')])};\n"
        for one in listens
    )
    return f"\nserver {{\n{lines}    server_name {' '.join(hostnames)};{_answer(page)}}}\n"


def _heading(configuration: Configuration, shut: Sequence[Server]) -> str:
    files = ", ".join(dict.fromkeys(server.node.file for server in shut))
    return f"# It stands in the place of {configuration.main} with servers of {files} closed; a back-out puts the file of before back.\n"


def _written(tree: Tree, file: str, edits: dict[str, dict[int, str]]) -> str:
    """A file with what is put into it, and into those that it includes."""
    text = tree.configuration.files[file].text
    changes = [(at, at, words) for at, words in edits.get(file, {}).items()]
    for node in _includes(tree.of(file)):
        named = tree.named(node)
        if any(_leads(tree, one, edits) for one in named):
            changes.append((node.start, node.end, "".join(_in_place(tree, one, edits) for one in named)))
    parts, at = [], 0
    for start, end, words in sorted(changes):
        parts += [text[at:start], words]
        at = end
    return "".join([*parts, text[at:]])


def _in_place(tree: Tree, file: str, edits: dict[str, dict[int, str]]) -> str:
    if _leads(tree, file, edits):
        return f"\n# --- {file} ---\n{_written(tree, file, edits)}\n# --- end of {file} ---\n"
    if re.search(r"[*?\[\"\\]", file):
        raise UnreadableError(f"{file}: a name that cannot be written as it is")
    return f'\ninclude "{file}";\n'


def _leads(tree: Tree, file: str, edits: dict[str, dict[int, str]]) -> bool:
    return file in edits or any(
        _leads(tree, one, edits) for node in _includes(tree.of(file)) for one in tree.named(node)
    )


def _includes(nodes: Iterable[Node]) -> Iterator[Node]:
    """The includes of a file itself, in whatever block."""
    for node in nodes:
        if node.name == "include" and node.block is None:
            yield node
        yield from _includes(node.block or [])
