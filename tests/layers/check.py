#!/usr/bin/env python3
"""Includes go one way: main -> serve -> vm -> work -> base. Usage: check.py SRC | check.py --self-test

Every .c and .h below SRC is read. Its layer is the folder that it stands in, or `main` for SRC itself; it may include
headers of its own layer and of those below. Each violation is printed as file:line: what is wrong; the exit status is 1.
"""
import pathlib
import re
import sys
import tempfile

LAYERS = ["base", "work", "vm", "serve", "main"]  # each may include those before it

# System headers that not everybody may include, and who may: a folder, or files.
OWNERS = {
    **dict.fromkeys(["lua.h", "lauxlib.h", "lualib.h", "luaconf.h"], ["vm/"]),
    "microhttpd.h": ["serve/"],
    # Linux only: a port to another system is these files.
    **dict.fromkeys(
        ["sys/epoll.h", "sys/eventfd.h", "sys/signalfd.h", "sys/timerfd.h"],
        ["serve/loop.c", "serve/peer.c", "work/pool.c", "base/log.c"],
    ),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def layer_of(path):
    return path.split("/")[0] if "/" in path else "main"


def wrong_with(path, own, system):
    """What is wrong with the file `path` (relative to SRC) including "own" or <system>; None: nothing."""
    layer = layer_of(path)
    if own is not None:
        other = layer_of(own)
        if other not in LAYERS or ".." in own.split("/"):
            return f'"{own}" names no layer: expected one of {", ".join(LAYERS[:-1])} before the file'
        if LAYERS.index(other) > LAYERS.index(layer):
            return f'{layer} includes "{own}": {other} is a layer above it'
    elif system in OWNERS and not any(path == owner or owner.endswith("/") and path.startswith(owner) for owner in OWNERS[system]):
        return f'<{system}> is for {", ".join(OWNERS[system])} only'
    return None


def violations(src):
    for file in sorted(src.rglob("*.[ch]")):
        path = file.relative_to(src).as_posix()
        if layer_of(path) not in LAYERS:
            yield f"{path}:1: {layer_of(path)} is no layer"
            continue
        text = file.read_text()
        for include in INCLUDE.finditer(text):
            wrong = wrong_with(path, include[1], include[2])
            if wrong:
                yield f"{path}:{text.count(chr(10), 0, include.start()) + 1}: {wrong}"


ALLOWED = [
    ("main.c", '#include "serve/loop.h"\n#include "options.h"\n#include "base/log.h"'),
    ("serve/server.c", '#include "vm/vm.h"\n#include <microhttpd.h>'),
    ("serve/peer.c", "#include <sys/epoll.h>"),
    ("vm/task.c", '#include <lua.h>\n#include "work/pool.h"\n#include "vm/state.h"'),
    ("work/pool.c", '/* "vm/vm.h" calls this */\n#include <sys/eventfd.h>\n#include "base/error.h"'),
]

PLANTED = [  # file, text, the line that must be named
    ("base/log.c", '#include "base/log.h"\n#include "work/pool.h"', 2),
    ("work/copy.h", '\n\n#include "vm/vm.h"', 3),
    ("vm/vm.c", '  #  include  "serve/server.h"', 1),
    ("serve/loop.c", '#include "options.h"', 1),
    ("serve/loop.h", '#include "../vm/vm.h"', 1),
    ("work/copy.c", "#include <lua.h>", 1),
    ("serve/server.c", "/* */\n#include <lauxlib.h>", 2),
    ("main.c", "#include <lualib.h>", 1),
    ("vm/task.c", "#include <microhttpd.h>", 1),
    ("vm/slice.c", "#include <sys/timerfd.h>", 1),
    ("serve/server.c", "#include <sys/epoll.h>", 1),
    ("base/tempdir.c", "#include <sys/eventfd.h>", 1),
    ("main.c", "#include <sys/signalfd.h>", 1),
    ("extra/more.c", "", 1),
]


def found_in(path, text):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, path)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return list(violations(pathlib.Path(folder)))


def self_test():
    for path, text in ALLOWED:
        if found := found_in(path, text):
            yield f"allowed, but reported: {found}"
    for path, text, line in PLANTED:
        found = found_in(path, text)
        if len(found) != 1 or not found[0].startswith(f"{path}:{line}: "):
            yield f"planted in {path}:{line}: {text!r}; reported: {found}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        problems, checked = list(self_test()), len(ALLOWED) + len(PLANTED)
    else:
        source = pathlib.Path(sys.argv[1])
        problems, checked = list(violations(source)), len(list(source.rglob("*.[ch]")))
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{checked} files, {len(problems)} violations")
    sys.exit(bool(problems) or checked == 0)
