"""Ruby on the target: dated packages removed, then from packages, or from a tarball with an installer of its own."""

import shlex
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.places import tarball_mark
from fixtures.plan import Plan, Tarball
from fixtures.run.run import Run
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit

SOURCES = PurePosixPath("/usr/local/src/gonogo-ruby")
"""Where the tarball is kept and unpacked: root's alone to write."""
PROFILE = PurePosixPath("/etc/profile.d/gonogo-ruby.sh")
"""What puts the prefix first on every login shell's PATH."""
INSTALL_LIMIT = 5400.0
"""Seconds that fetching and installing may take."""

# $1 URL, $2 SHA-256, $3 directory, $4 prefix, $5 mark; then the installer. Fetched under another name until it is whole
# and its hash is right; nothing of it is unpacked before that. The mark is written last: without it all is done again.
_INSTALL = r"""
set -eu
umask 022
export HOME=/root LC_ALL=C.UTF-8
url=$1 sha256=$2 directory=$3 prefix=$4 mark=$5
shift 5
archive=$directory/$sha256
right() { [ "$({ sha256sum <"$1"; } 2>/dev/null | cut -d' ' -f1)" = "$sha256" ]; }
fetch() {
  curl --fail --silent --show-error --location --proto =https,http --proto-redir =https,http --retry 3 --connect-timeout 20 \
    --speed-limit 1000 --speed-time 60 --max-time 1800 --output "$archive.part" "$@" -- "$url"
}
install -d -o root -g root -m 0755 "$directory"
if ! right "$archive"; then
  # Goes on with what an interrupted fetch left, where the server can do that.
  fetch --continue-at - || { rm -f -- "$archive.part"; fetch; }
  right "$archive.part" || {
    found=$(sha256sum <"$archive.part" | cut -d' ' -f1)
    rm -f -- "$archive.part"
    echo "$url has SHA-256 $found, the plan says $sha256" >&2
    exit 1
  }
  mv -f -- "$archive.part" "$archive"
fi
rm -f -- "$mark"
rm -rf -- "$directory/unpacked"
mkdir -- "$directory/unpacked"
tar -C "$directory/unpacked" --no-same-owner -xf "$archive"
cd -- "$directory/unpacked"
# Most tarballs hold one directory with everything in it.
only=$(find . -mindepth 1 -maxdepth 1)
[ ! -d "$only" ] || cd -- "$only"
"$@"
"$prefix/bin/ruby" -e 'puts "installed: ruby #{RUBY_VERSION}"'
cd /
rm -rf -- "$directory/unpacked"
sync
printf '%s\n' "$sha256" >"$mark"
"""
# $1 prefix. cron, units and sudo do not ask login shells for a PATH; a name that something else has is left alone.
_LINK = r"""
set -eu
[ "$1" != /usr ] || exit 0
for program in "$1"/bin/*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  link=/usr/bin/${program##*/}
  [ -e "$link" ] || [ -L "$link" ] || ln -s -- "$program" "$link"
done
"""


@step(needs=["data_mounted"], gives=["ruby_installed"], harmless=True)
def install_ruby(plan: Plan, run: Run, target: Host) -> None:
    """Remove the dated Ruby where the plan says so, install the planned one, and what native gems are built with."""
    packages.remove(target, run, "install_ruby", plan, plan.ruby.remove)
    packages.install(target, run, "install_ruby", plan.ruby.packages)
    if plan.ruby.tarball is not None:
        _install_tarball(target, run, plan.ruby.tarball)


def _install_tarball(target: Host, run: Run, tarball: Tarball) -> None:
    mark = str(tarball_mark(tarball))
    done = target.check(["sh", "-c", 'cat -- "$1" 2>/dev/null || true', "mark", mark]).strip() == tarball.sha256
    if not done:
        if not target.succeeds(["sh", "-c", "command -v curl"]):
            packages.install(target, run, "install_ruby-curl", ["curl", "ca-certificates"])
        run_unit(target, run, "install_ruby", install_script(tarball), INSTALL_LIMIT)
    target.write_file(str(PROFILE), profile(tarball.prefix))
    link_programs(target, tarball.prefix)


def install_script(tarball: Tarball) -> str:
    """The script that fetches, proves, unpacks and installs the tarball; interrupted, it begins anew."""
    words = [tarball.url, tarball.sha256, SOURCES, tarball.prefix, tarball_mark(tarball), *tarball.installer]
    return f"set -- {shlex.join(map(str, words))}\n{_INSTALL}"


def profile(prefix: PurePosixPath) -> str:
    """What a login shell reads."""
    programs = prefix / "bin"
    return f'# Written by gonogo: the planned Ruby comes first.\ncase "$PATH:" in\n  {shlex.quote(str(programs))}:*) ;;\n  *) PATH={shlex.quote(str(programs))}:$PATH ;;\nesac\nexport PATH\n'


def link_programs(target: Host, prefix: PurePosixPath) -> None:
    """Have every program of the prefix in /usr/bin too, where no other one has its name."""
    target.check(["sh", "-c", _LINK, "link", str(prefix)])
