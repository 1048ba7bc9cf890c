"""The main file that closes one application: which servers are its, what is written, and what is not understood."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.facts.webserver import Configuration, File
from fixtures.run.places import CLOSED_SITE
from steps.tools.closed_site import Closing, Listen, Tree, UnreadableError, closed, read

MAIN = "/etc/nginx/nginx.conf"


def configuration(
    http: str, files: Mapping[str, str] | None = None, included: Mapping[str, tuple[str, ...]] | None = None
):
    texts = {MAIN: f"events {{}}\nhttp {{{http}}}\n", **(files or {})}
    found = {path: File(1, path, text) for path, text in texts.items()}
    return Configuration(MAIN, found, {path: (path,) for path in texts} | dict(included or {}), {})


def shut(http: str, *hostnames: str, site: str = "/none", **more):
    """The names of the servers that are closed, and what is listened to beside them."""
    text = closed(configuration(http, **more), Closing(hostnames or ("app.test",), site, "own.test"), "")
    assert text.startswith(f"{CLOSED_SITE}\n")
    tree = Tree(configuration(text.partition("http {")[2].rpartition("}")[0], **more))
    found, beside = [], []
    for server in tree.servers:
        if any(node.name == "return" and node.args == ["503"] for node in server.node.block or []):
            ours = [listen.address for listen in server.listens]
            if (
                server.node.block[-1].name == "location"
                and server is tree.servers[-1]
                and len(tree.servers) > http.count("server_name")
            ):
                beside += ours
            else:
                found.append(" ".join(server.names))
    return found, beside


def site(names: str, listen: str = "80", more: str = "") -> str:
    return f"server {{ listen {listen}; server_name {names}; {more} }}\n"


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (site("app.test") + site("other.test"), ["app.test"]),
        (site("APP.test other") + site("other.test"), ["APP.test other"]),
        (site("*.test") + site("app.*") + site("~^app"), ["*.test"]),
        (site("~^app") + site("app.*") + site("other"), ["app.*"]),
        (site("~^b") + site("~^a(?<x>p)p") + site("~^app"), ["~^a(?<x>p)p"]),
        (site(".app.test") + site("*.test"), [".app.test"]),
        (site("*.test") + site(".app.test"), [".app.test"]),
        (site("app.test") + site("app.test", more="# twice\n"), ["app.test"]),
        (site("app.test", "127.0.0.1:80") + site("*.test", "80"), ["app.test", "*.test"]),
        (site("app.test", "8080 proxy_protocol") + site("app.test", "unix:/run/app.sock"), ["app.test", "app.test"]),
        (site("other.test") + "upstream a { server app.test; } " + site("app.test"), ["app.test"]),
    ],
)  # fmt: skip
def test_it_is_nginxs_choice_whose_name_it_is(http, expected):
    assert shut(http)[0] == expected


def test_the_host_may_be_named_by_itself():
    assert shut(site("other.test") + site("$hostname"), "own.test")[0] == ["$hostname"]


def test_the_sites_file_is_the_applications_whatever_its_names():
    files = {"/s/app": site("app.test") + site("api.test _"), "/s/other": site("other.test")}
    got = shut("include /s/*;", site="/s/app", files=files, included={"/s/*": ("/s/app", "/s/other")})
    assert got == (["app.test", "api.test _"], [])


def test_another_servers_answer_to_the_name_is_taken_from_it():
    http = (
        site("_", "80 default_server")
        + site("_", "[::]:80 default_server")
        + site("app.test", "443 ssl")
        + site("other", "9000")
    )
    assert shut(http) == (["app.test"], ["80", "[::]:80"])
    assert shut(site("a", "80 proxy_protocol") + site("app.test", "8080")) == (["app.test"], ["80"])


@pytest.mark.parametrize(
    ("http", "words"),
    [
        (site("other.test"), "no server has a name of app.test"),
        (site("app.test") + site("other", "443 ssl") + site("www.app.test", "443 ssl"), ""),
        (site("app.test", "443 ssl") + site("other", "10.0.0.5:443 ssl"), ""),
        (site("~^(app"), "a regular expression that cannot be read here"),
        (site("app.test", more="content_by_lua_block { return '}"), "line 2: a block of Lua without an end"),
        (site("app.test", more="content_by_lua_block { --[[ }"), "line 2: a block of Lua without an end"),
        (site("app.test", more="server_rewrite_by_lua_file x;"), "could answer before the page does"),
        (site("app.test", more="include absent;"), "include absent, which names no file"),
        (site("app.test", more='set $x "open;'), "a quote that does not end"),
        (site("app.test", more='set $x "a"b;'), "a quote that does not end"),
        (site("app.test", more="}"), "line 3: a } where none can stand"),
        (site("app.test", more="listen 80 }"), "a } where none can stand"),
        (site("app.test", more="{ }"), "a { without a directive"),
        (site("app.test", more="location / {"), "a directive without an end"),
        ("} http {" + site("app.test"), "2 blocks http"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_no_guess(http, words):
    if words:
        with pytest.raises(UnreadableError, match=words.replace("{", r"\{").replace("}", r"\}")):
            shut(http)
    else:
        shut(http, "app.test")


LUA = """
    -- a comment's quote: it's }
    --[[ } several
    lines } ]] local t = { a = "}\\"}", b = '}', c = [[ } ]], d = [==[ ]] } ]==] }
    return t[1] - #t
"""


def test_a_block_of_lua_is_passed_over():
    http = f"init_by_lua_block {{{LUA}}}\n{site('other', more=f'content_by_lua_block{{{LUA}}}')}{site('app.test')}"
    assert shut(http) == (["app.test"], [])
    assert LUA in closed(configuration(http), Closing(("app.test",), "/none"), "")


def test_a_pattern_is_read_where_it_decides_alone():
    assert shut(site("~^(app") + site("app.test")) == (["app.test"], [])


def test_a_name_that_only_another_site_answers_over_tls_is_refused():
    http = site("other", "443 ssl default_server") + site("app.test", "443 ssl")
    assert shut(http) == (["app.test"], [])
    with pytest.raises(
        UnreadableError, match=r"www\.app\.test is answered over TLS by a server of /etc/nginx/nginx\.conf"
    ):
        shut(http, "app.test", "www.app.test")


def test_a_file_that_includes_itself_ends():
    with pytest.raises(UnreadableError, match="/s/a includes itself"):
        shut("include /s/a;", files={"/s/a": "include /s/a;" + site("app.test")})


def test_other_files_are_included_in_their_places():
    files = {"/s/1": site("one"), "/s/2": site("app.test") + "# no end of line", "/s/3": site("three")}
    text = closed(
        configuration("include /s/*;\n", files, {"/s/*": ("/s/1", "/s/2", "/s/3")}), Closing(("app.test",), "/s/2"), ""
    )
    assert text.index('include "/s/1";') < text.index("server_name app.test") < text.index('include "/s/3";')
    assert "# no end of line\n" in text
    assert "include /s/*" not in text
    assert "server_name one" not in text


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("80", ("*", 80)), ("*:80", ("*", 80)), ("0.0.0.0:80", ("*", 80)), ("127.0.0.1", ("127.0.0.1", 80)), ("[::]:80", ("[::]", 80)),
        ("[::1]", ("[::1]", 80)), ("localhost:8080", ("localhost", 8080)), ("8000-8010", ("*", 8000)), ("unix:/run/a:80", ("unix:/run/a:80", None)),
    ],
)  # fmt: skip
def test_an_address_is_what_nginx_takes_it_for(address, key):
    assert Listen(address, ()).key == key


WORDS = st.text(st.characters(codec="latin-1", exclude_characters="\0"), min_size=1, max_size=8)


def quoted(word: str, sign: str) -> str:
    return sign + word.replace("\\", "\\\\").replace(sign, f"\\{sign}") + sign


@st.composite
def directives(draw, depth: int = 0):
    """Words, and the text of directives that say them; blocks hold others."""
    said, parts = [], []
    for _ in range(draw(st.integers(0, 3))):
        words = ["name", *draw(st.lists(WORDS, max_size=3))]
        parts += [" ".join(["name", *(quoted(word, draw(st.sampled_from("\"'"))) for word in words[1:])])]
        inner = draw(directives(depth + 1)) if depth < 2 and draw(st.booleans()) else None
        blank = draw(st.sampled_from(["", " ", "\n\t", " # ; } {\n", "\r\n"]))
        parts += [f"{blank}{{{blank}{inner[1]}}}{blank}" if inner else f"{blank};{blank}"]
        said.append((words, inner[0] if inner else None))
    return said, "".join(parts)


def told(nodes):
    return [(node.words, None if node.block is None else told(node.block)) for node in nodes]


@given(directives())
def test_whatever_is_said_is_read_as_it_was_meant(made):
    said, text = made
    assert told(read(text, "x")) == said
    for node in read(text, "x"):
        assert text[node.start : node.start + 4] == "name"
        assert text[node.end - 1] in ";}"
        assert node.block is None or text[node.opened - 1] == "{"


@given(st.text(st.sampled_from("ab ;{}\"'\\#$\n"), max_size=30))
def test_any_text_is_read_whole_or_refused(text):
    try:
        nodes = read(text, "x")
    except UnreadableError:
        return
    assert [node.end for node in nodes] == sorted(node.end for node in nodes)
    assert all(node.words for node in nodes)


@given(before=directives(), inside=directives(), after=directives())
def test_nothing_but_our_lines_is_added(before, inside, after):
    """Whatever else the files say stays where it is, byte by byte."""
    http = f"{before[1]}server {{ server_name app.test;{inside[1]}}}{after[1]}"
    whole = configuration(http)
    text = closed(whole, Closing(("app.test",), "/none"), "<p>page</p>")
    first, _, rest = text.partition("\n    # --- gonogo: closed ---\n")
    last = rest.partition("    # --- gonogo: end ---\n")[2]
    assert first.split("\n", 2)[2] + last == whole.files[MAIN].text
