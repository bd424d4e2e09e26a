"""Compression and archives in a running plugin, against the tools of others, and against archives that mean harm."""
import io
import os
import random
import resource
import shutil
import socket
import stat
import struct
import subprocess
import tarfile
import threading
import zipfile

import pytest
from harness import Plugin, runner, until

TOOLS = {"gzip": "gunzip", "zstd": "unzstd", "xz": "unxz", "bzip2": "bunzip2"}
LONG = "n" * 120


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


def tool(name):
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def text(length):
    chooser = random.Random(length)
    words = [bytes(chooser.choices(range(97, 123), k=chooser.randint(2, 9))) for _ in range(500)]
    return b" ".join(chooser.choices(words, k=length // 2))[:length]


def left(folder):
    """What is in it, but for the archive."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("archive"))


# ---- compression ----

@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("length", [0, 1, 100_000, 3_000_000])
def test_the_tool_reads_what_is_compressed(plugin, folder, name, length):
    (folder / "in").write_bytes(text(length))
    plugin.run(f'ocm.pipe("{folder}/in", ocm.{name}(), "{folder}/out")')
    assert subprocess.run([tool(name), "-dc"], stdin=open(folder / "out"), stdout=subprocess.PIPE, check=True).stdout == text(length)


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("level", ["-1", "-9"])
def test_what_the_tool_compressed_is_read(plugin, folder, name, level):
    members = [subprocess.run([tool(name), level, "-c"], input=text(length), stdout=subprocess.PIPE, check=True).stdout for length in (700_000, 0, 20)]
    (folder / "in").write_bytes(b"".join(members))
    result, = plugin.run(f'ocm.pipe("{folder}/in", ocm.{TOOLS[name]}(), "{folder}/out")')
    assert (folder / "out").read_bytes() == text(700_000) + text(20)
    assert result == {"bytes": sum(map(len, members)), "written": 700_020}
    result, = plugin.run(f'ocm.pipe("{folder}/in", ocm.decompress(), ocm.null())')
    assert (result["decompressed"], result["written"]) == (name, 700_020)


def test_plain_bytes_pass_decompress_as_they_are(plugin):
    assert plugin.run('ocm.pipe(ocm.bytes "plain", ocm.decompress(), ocm.string())') == [{"bytes": 5, "written": 5, "string": "plain"}]


def test_levels_are_those_of_the_tools(plugin):
    sizes = plugin.run(f'''local sizes, file = {{}}, ocm.tempfile():write("{text(60_000).decode()}")
      for _, stage in ipairs {{ ocm.gzip {{ level = 1 }}, ocm.gzip(), ocm.gzip(6), ocm.gzip(9) }} do sizes[#sizes + 1] = ocm.pipe(file, stage, ocm.null()).written end
      return sizes''')[0]
    assert sizes[0] > sizes[1] == sizes[2] >= sizes[3]
    for wrong, most in ("gzip(10)", "1 to 9"), ("zstd(23)", "1 to 22"), ("xz(-1)", "0 to 9"), ("bzip2(0)", "1 to 9"):
        assert f"level: expected an integer from {most}" in plugin.run_error(f'ocm.pipe(ocm.bytes "", ocm.{wrong}, ocm.null())')


def test_what_is_cut_short_names_stage_and_file_and_leaves_nothing(plugin, folder):
    data = subprocess.run(["gzip", "-c"], input=os.urandom(20_000), stdout=subprocess.PIPE, check=True).stdout[:12_345]
    (folder / "archive.gz").write_bytes(data)
    assert f"gunzip of {folder}/archive.gz: unexpected end of file after 12,345 bytes" in plugin.run_error(f'ocm.pipe("{folder}/archive.gz", ocm.gunzip(), "{folder}/out")')
    assert left(folder) == []


def test_a_bomb_ends_at_the_limit(plugin, folder):
    (folder / "archive.gz").write_bytes(subprocess.run("head -c 200000000 /dev/zero | gzip -c", shell=True, stdout=subprocess.PIPE, check=True).stdout)
    assert "1,000,000" in plugin.run_error(f'ocm.pipe("{folder}/archive.gz", ocm.gunzip(), ocm.limit(1000000), "{folder}/out")')
    assert left(folder) == []


def test_compressing_is_cancelled_soon(folder):
    with Plugin(runner("limits = { handler = 0.5 },")) as plugin:
        for stage in "ocm.gzip(9)", "ocm.xz(9)", "ocm.zstd(19)", "ocm.bzip2()":
            answer = plugin.request("POST", "/run", f'ocm.pipe("/dev/zero", {stage}, "{folder}/out")')
            assert (answer.status, answer.text) == (500, "the handler took longer than limits.handler allows")
        until(lambda: left(folder) == [])


# ---- tar, made ----

@pytest.fixture
def tree(folder):
    """A directory with everything that archives find hard."""
    tree = folder / "tree"
    for name, content in {
        "a.txt": b"a\n", "empty": b"", "block": b"b" * 512, "large": os.urandom(700_001), "docs/guide.md": b"guide\n", "docs/deep/notes.md": b"notes\n",
        "zürich/straße": b"UTF-8\n", f"{LONG}/{LONG}": b"long\n", f"{LONG}/{'p' * 60}/{'q' * 70}": b"split\n", "x/" * 130 + "deep": b"deep\n", "bin/tool": b"#!\n", "new\nline": b"",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    with open(bytes(tree / "bad-") + b"\xff", "wb") as file:
        file.write(b"no UTF-8\n")
    (tree / "bin/tool").chmod(0o755)
    (tree / "a.txt").chmod(0o600)
    (tree / "hollow").mkdir()
    return tree


def contents(root):
    """Every path below root with its kind and what is in it."""
    found, root = {}, os.fsencode(root)
    for where, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(where, name)
            below = os.path.relpath(path, root)
            if os.path.islink(path):
                found[below] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                found[below] = ("directory", None)
            else:
                found[below] = ("file", open(path, "rb").read(), os.stat(path).st_mode & 0o777)
    return found


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_the_tools_extract_what_tar_makes(plugin, folder, tree, program):
    (tree / "link").symlink_to("docs/guide.md")
    (tree / "long link").symlink_to(f"{LONG}/{LONG}")
    if program == "bsdtar": # which cannot
        os.unlink(bytes(tree / "bad-") + b"\xff")
    plugin.run(f'ocm.pipe(ocm.tar "{tree}", "{folder}/archive.tar")')
    (folder / "out").mkdir()
    subprocess.run([tool(program), "-xpf", folder / "archive.tar", "-C", folder / "out"], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert contents(folder / "out") == contents(tree)


@pytest.mark.parametrize("options", [["--format=ustar"], ["--format=pax"], ["--format=gnu"], ["--format=v7"], ["--format=gnu", "--sparse"], ["--format=pax", "--sparse"]])
def test_what_gnu_tar_makes_is_extracted(plugin, folder, tree, options):
    if options[0] in ("--format=ustar", "--format=v7"):
        shutil.rmtree(tree / LONG), shutil.rmtree(tree / "x")
    with open(tree / "holes", "wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
        file.truncate(9_000_000)
    subprocess.run(["tar", "-cf", folder / "archive.tar", *options, "-C", tree, "."], check=True)
    result, = plugin.run(f'ocm.pipe("{folder}/archive.tar", ocm.untar "{folder}/out")')
    assert contents(folder / "out") == contents(tree)
    assert result["written"] == result["bytes"] == os.path.getsize(folder / "archive.tar")
    assert result["entries"] == len(contents(tree)) + 1


def test_tar_and_untar_are_each_other_s_inverse(plugin, folder, tree):
    plugin.run(f'ocm.pipe(ocm.tar("{tree}"), ocm.zstd(), ocm.unzstd(), ocm.untar("{folder}/out"))')
    assert contents(folder / "out") == contents(tree)


def test_files_beyond_8_gib_have_their_size(plugin, folder):
    (folder / "tree").mkdir()
    with open(folder / "tree/huge", "wb") as file:
        file.truncate((9 << 30) + 5)
    os.mkfifo(folder / "fifo")
    thread = threading.Thread(target=lambda: plugin.request("POST", "/run", f'ocm.pipe(ocm.tar("{folder}/tree", {{ root = false }}), "{folder}/fifo")'))
    thread.start()
    with open(folder / "fifo", "rb") as reader:
        entry = tarfile.open(fileobj=io.BytesIO(reader.read(2048))).firstmember
    thread.join()
    assert (entry.name, entry.size) == ("huge", (9 << 30) + 5)
    subprocess.run(["tar", "-cSf", folder / "archive.tar", "-C", folder / "tree", "huge"], check=True)
    plugin.run(f'ocm.pipe("{folder}/archive.tar", ocm.untar "{folder}/out")')
    assert (os.path.getsize(folder / "out/huge"), os.stat(folder / "out/huge").st_blocks < 100) == ((9 << 30) + 5, True)


def names(archive):
    return [entry.name for entry in tarfile.open(archive).getmembers()]


@pytest.mark.parametrize("options, expected", [
    ("", [".", "a.txt", "docs", "docs/deep", "docs/deep/notes.md", "docs/guide.md", "docs/guide.txt"]),
    ("root = false, exclude = { 'docs/deep' }", ["a.txt", "docs", "docs/guide.md", "docs/guide.txt"]),
    ("include = { '*.txt' }", ["a.txt"]),
    ("include = { 'docs/*', './a*' }", ["a.txt", "docs/deep", "docs/guide.md", "docs/guide.txt"]),
    ("include = { 'docs/[a-g]*.?[^d]*' }", ["docs/guide.txt"]),
    ("include = {}, exclude = { '/docs/*' }", [".", "a.txt", "docs"]),
    ("exclude = { '*' }", []),
    ("preserveDir = true, exclude = { 'tree/docs' }", ["tree", "tree/a.txt"]),
    ("globs = 'deep', include = { '*.md' }", ["docs/deep/notes.md", "docs/guide.md"]),
    ("globs = 'deep', exclude = { 'docs/**/notes.*', '*.txt' }", [".", "docs", "docs/deep", "docs/guide.md"]),
])
def test_globs_choose_what_is_archived(plugin, folder, options, expected):
    for name in "a.txt", "docs/guide.md", "docs/guide.txt", "docs/deep/notes.md":
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).touch()
    plugin.run(f'ocm.pipe(ocm.tar("{folder}/tree", {{ {options} }}), "{folder}/archive.tar")')
    assert names(folder / "archive.tar") == expected


def test_links_are_kept_followed_or_refused(plugin, folder):
    (folder / "tree/inner").mkdir(parents=True)
    (folder / "tree/inner/file").write_text("x")
    (folder / "tree/link").symlink_to("inner")
    for links, expected in ("keep", ["inner", "inner/file", "link"]), ("follow", ["inner", "inner/file", "link", "link/file"]):
        plugin.run(f'ocm.pipe(ocm.tar("{folder}/tree", {{ root = false, links = "{links}" }}), "{folder}/archive.tar")')
        assert names(folder / "archive.tar") == expected
    assert f"{folder}/tree/link: a symbolic link is not wanted here" in plugin.run_error(f'ocm.pipe(ocm.tar("{folder}/tree", {{ links = "refuse" }}), ocm.null())')
    (folder / "tree/inner/up").symlink_to("..")
    assert f"{folder}/tree/inner/up: this link leads back" in plugin.run_error(f'ocm.pipe(ocm.tar("{folder}/tree", {{ links = "follow" }}), ocm.null())')


def test_what_cannot_be_archived_is_named(plugin, folder, tree):
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(tree / "docs")
        listening.bind("socket")
        os.chdir(here)
        assert plugin.run_error(f'ocm.pipe(ocm.tar "{tree}", "{folder}/archive")').endswith(f"{tree}/docs/socket: a socket has no place in an archive, exclude it")
    os.unlink(tree / "docs/socket")
    os.mkfifo(tree / "docs/pipe")
    assert f"{tree}/docs/pipe: a named pipe has no place" in plugin.run_error(f'ocm.pipe(ocm.tar "{tree}", ocm.null())')
    assert plugin.run(f'ocm.pipe(ocm.tar("{tree}", {{ exclude = {{ "docs/pipe" }} }}), ocm.null()).bytes > 0') == [True]
    assert "No such file" in plugin.run_error(f'ocm.pipe(ocm.tar "{folder}/nope", ocm.null())')
    assert not (folder / "archive").exists()


@pytest.mark.parametrize("size, how", [(50_000_000, "longer"), (1_000_000, "shorter")])
def test_a_file_that_changes_while_it_is_read_is_an_error(plugin, folder, size, how):
    (folder / "tree").mkdir()
    (folder / "tree/file").write_bytes(bytes(20_000_000))
    os.mkfifo(folder / "fifo")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(plugin.request("POST", "/run", f'ocm.pipe(ocm.tar "{folder}/tree", "{folder}/fifo")')))
    thread.start()
    with open(folder / "fifo", "rb") as reader: # which holds the pipe up
        reader.read(10_000)
        os.truncate(folder / "tree/file", size)
        reader.read()
    thread.join()
    assert answers[0].status == 500
    assert f"{folder}/tree/file: it became {how} while it was read" in answers[0].text


@pytest.mark.parametrize("options, expected", [
    ("glob = {}", 'unknown option "glob", did you mean "globs"?'), ("include = { 1 }", "include: expected a list of strings"), ("include = { '[' }", '"[" is no glob'),
    ("links = 'copy'", 'links: expected "keep" or "follow" or "refuse", got "copy"'),
])
def test_wrong_options_are_said(plugin, options, expected):
    error = plugin.run_error(f'ocm.pipe(ocm.tar("/", {{ {options} }}), ocm.null())')
    assert expected in error or expected.split(",")[0] in error


# ---- extracting ----

def archive_of(folder, *entries):
    """A tar of (name, kind or content, link target)."""
    with tarfile.open(folder / "archive.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content, *target in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes) and len(content) != 1 or content == b"":
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
                continue
            entry.type = content
            entry.linkname = target[0] if target else ""
            archive.addfile(entry)
    return folder / "archive.tar"


def untar(plugin, folder, options="", into="out"):
    return f'ocm.pipe("{folder}/archive.tar", ocm.untar("{folder}/{into}", {{ {options} }}))'


HOSTILE = [
    ([("../evil", b"evil")], "", 'entry "../evil": a name with ".." is refused'),
    ([("a/../../evil", b"evil")], "", 'a name with ".." is refused'),
    ([("/tmp/ocmlua-evil", b"evil")], "", 'entry "/tmp/ocmlua-evil": an absolute name is refused'),
    ([("link", tarfile.SYMTYPE, "..")], "", 'entry "link": a link is refused'),
    ([("link", tarfile.SYMTYPE, "..")], "links = true", 'entry "link": its link to ".." leads outside'),
    ([("link", tarfile.SYMTYPE, "/etc")], "links = true", 'entry "link": its link to "/etc" leads outside'),
    ([("a/link", tarfile.SYMTYPE, "../../x")], "links = true", "leads outside"),
    ([("d/e/f", b"xx"), ("l", tarfile.SYMTYPE, "d/e"), ("m", tarfile.SYMTYPE, "l/../../..")], "links = true", 'entry "m": its link to "l/../../.." leads outside, or might'),
    ([("d", tarfile.DIRTYPE), ("link", tarfile.SYMTYPE, "d"), ("link/file", b"through")], "links = true", 'entry "link/file": what it is in is no directory, but a link'),
    ([("link", tarfile.SYMTYPE, "d"), ("link", b"onto it")], "links = true", 'entry "link": the archive has it twice'),
    ([("hard", tarfile.LNKTYPE, "/etc/passwd")], "links = true", 'a hard link to "/etc/passwd", which is no file that was extracted'),
    ([("hard", tarfile.LNKTYPE, "../../etc/passwd")], "links = true", "which is no file that was extracted"),
    ([("s", tarfile.SYMTYPE, "t"), ("hard", tarfile.LNKTYPE, "s")], "links = true", "which is no file that was extracted"),
    ([("hard", tarfile.LNKTYPE, "a")], "", 'entry "hard": a link is refused'),
    ([("tty", tarfile.CHRTYPE)], "", 'entry "tty": a device is refused'),
    ([("disk", tarfile.BLKTYPE)], "links = true", 'entry "disk": a device is refused'),
    ([("pipe", tarfile.FIFOTYPE)], "", 'entry "pipe": a named pipe is refused'),
    ([("new\nline/../x", b"xx")], "", 'entry "new\\x0aline/../x": a name with'),
    ([("a", b"first"), ("a", b"second")], "", 'entry "a": the archive has it twice'),
    ([("a", b"first"), ("a/b", b"second")], "", 'entry "a/b": what it is in is no directory'),
    ([("x/" * 257 + "y", b"deep")], "", "it is more than 256 directories deep"),
    ([("n" * 256, b"long")], "", "File name too long"),
    ([("a", b"12345"), ("b", b"67890")], "bytes = 13", 'entry "b": there are more than 13 bytes in this archive'),
    ([("a", b"12345"), ("b", tarfile.LNKTYPE, "a"), ("c", tarfile.LNKTYPE, "b")], "bytes = 14, links = true", 'entry "c": there are more than 14 bytes in this archive'),
    ([("a", b""), ("b", b""), ("c", b"")], "files = 3", 'entry "c": there are more than 3 entries in this archive'),
]


@pytest.mark.parametrize("entries, options, message", HOSTILE)
@pytest.mark.parametrize("exists", [False, True])
def test_what_would_leave_the_directory_is_refused_and_nothing_stays(plugin, folder, entries, options, message, exists):
    archive_of(folder, ("before", b"fine"), *entries)
    if exists:
        (folder / "out").mkdir()
        (folder / "out/kept").write_text("kept")
    error = plugin.run_error(untar(plugin, folder, options))
    assert f"untar of {folder}/archive.tar: " in error
    assert message in error
    assert left(folder) == (["out"] if exists else [])
    assert not exists or os.listdir(folder / "out") == ["kept"]
    assert not os.path.exists("/tmp/ocmlua-evil")


def test_a_name_with_a_nul_ends_there(plugin, folder):
    archive_of(folder, ("aXb", b"cut"))
    data = bytearray((folder / "archive.tar").read_bytes())
    data[1] = 0
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + sum(data[156:512]) + 8 * 32)
    (folder / "archive.tar").write_bytes(data)
    plugin.run(untar(plugin, folder))
    assert os.listdir(folder / "out") == ["a"]


def test_links_that_stay_inside_are_made_when_wanted(plugin, folder):
    archive_of(folder, ("d/file", b"content"), ("d/up", tarfile.SYMTYPE, "../d/file"), ("here", tarfile.SYMTYPE, "./d"), ("hard", tarfile.LNKTYPE, "d/file"))
    assert plugin.run(untar(plugin, folder, "links = true") + ".entries") == [4]
    out = folder / "out"
    assert (os.readlink(out / "d/up"), os.readlink(out / "here"), (out / "here/up").read_text()) == ("../d/file", "./d", "content")
    assert os.stat(out / "hard").st_ino == os.stat(out / "d/file").st_ino


def test_special_bits_are_dropped(plugin, folder):
    with tarfile.open(folder / "archive.tar", "w") as archive:
        for name, kind in ("file", tarfile.REGTYPE), ("directory", tarfile.DIRTYPE), ("locked", tarfile.DIRTYPE):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o500 if name == "locked" else 0o7755
            archive.addfile(entry)
        archive.addfile(tarfile.TarInfo("locked/file"))
    plugin.run(untar(plugin, folder))
    assert [oct(stat.S_IMODE(os.stat(folder / "out" / name).st_mode)) for name in ("file", "directory", "locked")] == ["0o755", "0o755", "0o700"]


def test_permissions_are_kept_whatever_the_umask_is_when_wanted(folder):
    with tarfile.open(folder / "archive.tar", "w") as archive:
        for name, kind, mode in ("before", tarfile.DIRTYPE, 0o775), ("file", tarfile.REGTYPE, 0o7666), ("implied/file", tarfile.REGTYPE, 0o444), (
                "later/file", tarfile.REGTYPE, 0o640), ("later", tarfile.DIRTYPE, 0o777):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            archive.addfile(entry)
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        info = zipfile.ZipInfo("file")
        info.create_system, info.external_attr = 3, 0o100666 << 16
        archive.writestr(info, b"")
    modes = lambda: [oct(stat.S_IMODE(path.stat().st_mode)) for path in sorted((folder / "out").rglob("*"))]
    with Plugin(runner(), umask=0o077) as plugin:
        for options, expected in ("permissions = 'keep'", ["0o775", "0o666", "0o755", "0o444", "0o777", "0o640"]), (
                "", ["0o700", "0o600", "0o700", "0o400", "0o700", "0o600"]):
            plugin.run(untar(plugin, folder, options))
            assert modes() == expected
            shutil.rmtree(folder / "out")
        plugin.run(unzip(folder, "permissions = 'keep'"))
        assert modes() == ["0o666"]
        assert 'ocm.unzip: permissions: expected "umask" or "keep", got "all"' in plugin.run_error(unzip(folder, "permissions = 'all'"))


def test_existing_files_are_replaced_only_when_wanted(plugin, folder):
    archive_of(folder, ("d/new", b"new"), ("d/old", b"replaced"), ("other/file", b"more"))
    (folder / "out/d").mkdir(parents=True)
    (folder / "out/d/old").write_text("old")
    (folder / "out/d/kept").write_text("kept")
    assert 'entry "d/old": it exists already' in plugin.run_error(untar(plugin, folder))
    assert sorted(contents(folder / "out")) == [b"d", b"d/kept", b"d/old"]
    plugin.run(untar(plugin, folder, "overwrite = true"))
    found = contents(folder / "out")
    assert {name: found[name][1] for name in found} == {
        b"d": None, b"d/kept": b"kept", b"d/new": b"new", b"d/old": b"replaced", b"other": None, b"other/file": b"more"}


def test_links_that_are_there_already_are_not_followed(plugin, folder):
    archive_of(folder, ("d/file", b"content"))
    (folder / "elsewhere").mkdir()
    (folder / "out").mkdir()
    (folder / "out/d").symlink_to(folder / "elsewhere")
    for options in "", "overwrite = true":
        assert 'entry "d": what has its name is no directory' in plugin.run_error(untar(plugin, folder, options))
    assert os.listdir(folder / "elsewhere") == []
    assert os.listdir(folder / "out") == ["d"]


def test_leading_components_are_stripped(plugin, folder):
    archive_of(folder, ("pax", b"xx"), ("top/", tarfile.DIRTYPE), ("top/a", b"aa"), ("./top/d/b", b"bb"), ("top/link", tarfile.LNKTYPE, "top/a"))
    plugin.run(untar(plugin, folder, "strip = 1, links = true"))
    assert sorted(contents(folder / "out")) == [b"a", b"d", b"d/b", b"link"]


def test_what_is_cut_or_no_archive_is_an_error(plugin, folder):
    archive_of(folder, ("a", b"x" * 5000), ("b", b"y" * 5000))
    whole = (folder / "archive.tar").read_bytes()
    for length in 1, 300, 512, 513, 3000, 5700, 6700:
        (folder / "archive.tar").write_bytes(whole[:length])
        assert f"untar of {folder}/archive.tar: " in plugin.run_error(untar(plugin, folder))
    for content, message in (b"", "unexpected end of file after 0 bytes"), (b"plain text " * 200, "not a tar archive"), (os.urandom(5000), "not a tar archive"):
        (folder / "archive.tar").write_bytes(content)
        assert f"untar of {folder}/archive.tar: {message}" in plugin.run_error(untar(plugin, folder))
    assert left(folder) == []


def test_a_million_entries_pass_and_one_more_does_not(plugin, folder):
    with open(folder / "archive.tar", "wb") as file: # the same directory again and again
        header = tarfile.TarInfo("d")
        header.type = tarfile.DIRTYPE
        block = header.tobuf(tarfile.USTAR_FORMAT) * 10_000
        for _ in range(100):
            file.write(block)
        file.write(bytes(1024))
    assert plugin.run(untar(plugin, folder) + ".entries") == [1_000_000]
    with open(folder / "archive.tar", "r+b") as file:
        file.seek(-1024, os.SEEK_END)
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    assert "more than 1,000,000 entries" in plugin.run_error(untar(plugin, folder, into="out2"))


def test_a_bomb_of_an_archive_ends_at_the_limit(plugin, folder):
    with open(folder / "zeros", "wb") as file:
        file.truncate(300_000_000)
    subprocess.run(f"tar -C {folder} -c zeros | gzip -c > {folder}/archive.tgz", shell=True, check=True)
    for stages, sink in ("ocm.gunzip(), ocm.limit(1000000)", "{}"), ("ocm.gunzip()", "{ bytes = 1000000 }"):
        assert "1,000,000" in plugin.run_error(f'ocm.pipe("{folder}/archive.tgz", {stages}, ocm.untar("{folder}/out", {sink}))')
    assert left(folder) == ["zeros"]


def test_a_full_disk_is_an_error_and_leaves_nothing(folder):
    archive_of(folder, ("small", b"fits"), ("large", b"x" * 3_000_000))
    with Plugin(runner()) as plugin:
        resource.prlimit(plugin.process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        assert 'entry "large": File too large' in plugin.run_error(untar(plugin, folder))
        assert "File too large" in plugin.run_error(f'ocm.pipe(ocm.tar "/usr/bin", "{folder}/out.tar")')
        with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
            archive.writestr("large", b"x" * 3_000_000)
        assert "File too large" in plugin.run_error(f'ocm.pipe("{folder}/archive.zip", ocm.unzip "{folder}/out")')
    assert left(folder) == []


def test_a_small_filesystem_that_fills_up_is_left_empty(plugin, folder):
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], capture_output=True).returncode != 0:
        pytest.skip("no mount here")
    try:
        archive_of(folder, ("a/small", b"fits"), ("b/large", b"x" * 3_000_000))
        for into in "small", "small/out":
            assert 'entry "b/large": No space left on device' in plugin.run_error(untar(plugin, folder, into=into))
            assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_extracting_is_cancelled_soon_and_leaves_nothing(folder):
    os.mkfifo(folder / "archive.tar")
    data = tarfile.TarInfo("d/file").tobuf() + tarfile.TarInfo("d/other").tobuf()
    with Plugin(runner("limits = { handler = 2 },")) as plugin: # so that it has begun before
        answers = []
        thread = threading.Thread(target=lambda: answers.append(plugin.request("POST", "/run", untar(plugin, folder))))
        thread.start()
        with open(folder / "archive.tar", "wb", buffering=0) as fifo:
            fifo.write(data)
            until(lambda: len(left(folder)) == 1)
            thread.join()
            assert answers[0].text == "the handler took longer than limits.handler allows"
            until(lambda: left(folder) == [])


# ---- zip ----

def unzip(folder, options="", stages=""):
    return f'ocm.pipe("{folder}/archive.zip", {stages} ocm.unzip("{folder}/out", {{ {options} }}))'


def test_zips_are_extracted(plugin, folder, tree):
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("stored", b"as it is")
        archive.writestr("d/deflated", text(300_000), zipfile.ZIP_DEFLATED)
        archive.writestr("zürich/straße", b"UTF-8")
        archive.writestr("hollow/", b"")
        tool_info = zipfile.ZipInfo("tool")
        tool_info.external_attr = 0o104755 << 16
        archive.writestr(tool_info, b"#!")
    result, = plugin.run(unzip(folder, stages="ocm.digest(),"))
    found = contents(folder / "out")
    assert {name: found[name][1] for name in found} == {b"stored": b"as it is", b"d": None, b"d/deflated": text(300_000), "zürich".encode(): None,
                                                        "zürich/straße".encode(): b"UTF-8", b"hollow": None, b"tool": b"#!"}
    assert stat.S_IMODE(os.stat(folder / "out/tool").st_mode) == 0o755
    assert result["entries"] == 5
    assert result["written"] == os.path.getsize(folder / "archive.zip")


def test_what_zip_makes_is_extracted(plugin, folder, tree):
    shutil.rmtree(tree / "x")
    os.unlink(bytes(tree / "bad-") + b"\xff")
    subprocess.run([tool("zip"), "-qr", folder / "archive.zip", "."], cwd=tree, check=True)
    plugin.run(unzip(folder))
    assert contents(folder / "out") == contents(tree)


def zip_of(folder, name, content=b"content", mode=0, flag=0, **changes):
    info = zipfile.ZipInfo("x" * len(name))
    info.external_attr = mode << 16
    info.create_system = 3
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("before", b"fine")
        archive.writestr(info, content)
    data = (folder / "archive.zip").read_bytes().replace(b"x" * len(name), name.encode())
    local, central = data.index(b"PK\3\4", 4), data.rindex(b"PK\1\2")
    data = bytearray(data)
    for at, flags, sizes in (local, 6, 22), (central, 8, 24):
        data[at + flags] |= flag
        if "size" in changes:
            data[at + sizes:at + sizes + 4] = struct.pack("<I", changes["size"])
    if "crc" in changes:
        for at in local + 14, central + 16:
            data[at] ^= 1
    (folder / "archive.zip").write_bytes(data)


@pytest.mark.parametrize("arguments, message", [
    (dict(name="../evil"), 'entry "../evil": a name with ".." is refused'),
    (dict(name="/evil"), 'entry "/evil": an absolute name is refused'),
    (dict(name="link", content=b"d", mode=0o120777), 'entry "link": a link is refused (links = true makes'),
    (dict(name="secret", flag=1), 'entry "secret": it is encrypted'),
    (dict(name="liar", size=3), 'entry "liar": '),
    (dict(name="liar", size=30), 'entry "liar": '),
    (dict(name="altered", crc=True), 'entry "altered": '),
])
def test_zips_that_lie_are_refused_and_nothing_stays(plugin, folder, arguments, message):
    zip_of(folder, **arguments)
    error = plugin.run_error(unzip(folder))
    assert f"unzip of {folder}/archive.zip: {message}" in error
    assert left(folder) == []


def test_what_is_no_zip_is_an_error(plugin, folder):
    zip_of(folder, "name", os.urandom(3000))
    whole = (folder / "archive.zip").read_bytes()
    for content, message in (b"", "unexpected end of file after 0 bytes"), (b"no zip" * 1000, "not a zip archive"), (whole[:-30], "not a zip archive"):
        (folder / "archive.zip").write_bytes(content)
        assert f"unzip of {folder}/archive.zip: {message}" in plugin.run_error(unzip(folder))
    assert left(folder) == []


@pytest.mark.parametrize("comment", [b"", b"nothing here"])
def test_an_empty_zip_is_an_empty_directory(plugin, folder, comment):
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.comment = comment
    [result] = plugin.run(unzip(folder))
    assert (result["entries"], os.listdir(folder / "out")) == (0, [])


def test_zip_in_the_comment_of_an_empty_one_is_what_others_read(plugin, folder):
    """They look for its end from behind."""
    with zipfile.ZipFile(folder / "inner.zip", "w") as archive:
        archive.writestr("file", "x")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.comment = (folder / "inner.zip").read_bytes()
    assert zipfile.ZipFile(folder / "archive.zip").namelist() == ["file"]
    assert plugin.run(unzip(folder))[0]["entries"] == 1
    assert (folder / "out/file").read_text() == "x"


def test_end_of_an_empty_zip_is_the_end_of_the_file(plugin, folder):
    for more in b"x", b"x" * 70000:
        with zipfile.ZipFile(folder / "archive.zip", "w"):
            pass
        with open(folder / "archive.zip", "ab") as file:
            file.write(more)
        assert "not a zip archive" in plugin.run_error(unzip(folder))


def test_a_bomb_of_a_zip_ends_at_its_limit(plugin, folder):
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100_000_000))
    assert 'entry "zeros": there are more than 1,000,000 bytes' in plugin.run_error(unzip(folder, "bytes = 1000000"))
    assert left(folder) == []


def test_lzma_in_a_zip_does_not_take_more_memory_than_decompressing_it_elsewhere(plugin, folder):
    """libarchive gives it a dictionary of whatever size it asks for."""
    small, large = b"x" * 100, bytes((128 << 20) + 1)
    for content in small, large:
        with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("file", content)
        if content is small:
            plugin.run(unzip(folder))
            assert (folder / "out/file").read_bytes() == small
        else:
            shutil.rmtree(folder / "out")
            assert 'entry "file": it was compressed as lzma or xz: decompressing more than 128 MiB might take' in plugin.run_error(unzip(folder))
    assert left(folder) == []


def test_links_in_zips_that_stay_inside_are_made_when_wanted(plugin, folder):
    (folder / "tree/d").mkdir(parents=True)
    (folder / "tree/file").write_text("x")
    (folder / "tree/d/up").symlink_to("../file")
    (folder / "tree/to nowhere").symlink_to("a" * 200)  # which zip deflates
    subprocess.run([tool("zip"), "-qry", folder / "archive.zip", "."], cwd=folder / "tree", check=True)
    plugin.run(unzip(folder, "links = true"))
    assert contents(folder / "out") == contents(folder / "tree")
    shutil.rmtree(folder / "tree"), shutil.rmtree(folder / "out")
    for target in "/etc/passwd", "../outside":
        zip_of(folder, "link", content=target.encode(), mode=0o120777)
        assert f'entry "link": its link to "{target}" leads outside' in plugin.run_error(unzip(folder, "links = true"))
        assert left(folder) == []


# ---- zip, made ----

@pytest.fixture
def named(tree):
    """The tree without the name that a zip has no place for."""
    os.unlink(bytes(tree / "bad-") + b"\xff")
    (tree / "link").symlink_to("docs/guide.md")
    (tree / "docs/up").symlink_to("../a.txt")
    return tree


@pytest.mark.parametrize("program", [["unzip", "-q"], ["bsdtar", "-xpf"]])
@pytest.mark.parametrize("options", ["", "level = 0", "level = 9"])
def test_the_tools_extract_what_zip_makes(plugin, folder, named, program, options):
    (named / "new\nline").unlink()  # unzip writes "new^Jline"
    plugin.run(f'ocm.pipe(ocm.zip("{named}", {{ {options} }}), "{folder}/archive.zip")')
    (folder / "out").mkdir()
    subprocess.run([tool(program[0]), *program[1:], folder / "archive.zip"], cwd=folder / "out", check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert contents(folder / "out") == contents(named)


def test_zip_and_unzip_are_each_other_s_inverse(plugin, folder, named):
    plugin.run(f'ocm.pipe(ocm.zip("{named}"), ocm.unzip("{folder}/out", {{ links = true }}))')
    assert contents(folder / "out") == contents(named)


def test_a_zip_has_the_same_bytes_whenever_and_wherever_it_is_made(plugin, folder, named):
    plugin.run(f'ocm.pipe(ocm.zip("{named}"), "{folder}/archive.zip")')
    shutil.copytree(named, folder / "copy", symlinks=True)
    os.utime(folder / "copy/a.txt", (2_000_000_000, 2_000_000_000))
    with Plugin(runner(), env={"TZ": "Asia/Tokyo", "LC_ALL": "C"}) as other:
        other.run(f'ocm.pipe(ocm.zip("{folder}/copy"), "{folder}/archive-2.zip")')
    assert (folder / "archive.zip").read_bytes() == (folder / "archive-2.zip").read_bytes()
    infos = zipfile.ZipFile(folder / "archive.zip").infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert [info.filename for info in infos if "/" not in info.filename.rstrip("/")] == sorted(
        [name + "/" * (named / name).is_dir() for name in os.listdir(named)], key=lambda name: name.rstrip("/").encode())


def test_zip_takes_the_options_of_tar(plugin, folder, named):
    options = "globs = 'deep', include = { '*.md' }, permissions = 'executable', preserveDir = true"
    plugin.run(f'ocm.pipe(ocm.zip("{named}", {{ {options} }}), "{folder}/archive.zip")')
    infos = zipfile.ZipFile(folder / "archive.zip").infolist()
    assert [(info.filename, oct(info.external_attr >> 16)) for info in infos] == [
        ("tree/docs/deep/notes.md", "0o100644"), ("tree/docs/guide.md", "0o100644")]
    plugin.run(f'ocm.pipe(ocm.zip("{named}", {{ exclude = {{ "*" }} }}), "{folder}/archive.zip")')
    assert zipfile.ZipFile(folder / "archive.zip").infolist() == []


def test_what_cannot_be_zipped_is_named(plugin, folder, tree):
    assert plugin.run_error(f'ocm.pipe(ocm.zip "{tree}", "{folder}/archive.zip")').endswith(
        f"{tree}/bad-\\xff: a name that is no UTF-8 has no place in a zip, exclude it")
    assert left(folder) == ["tree"]
    for code, message in (f'ocm.zip("{tree}", {{ level = 10 }})', "ocm.zip: level: expected an integer from 0 to 9"), (
            f'ocm.zip("{tree}", {{ links = "copy" }})', 'ocm.zip: links: expected "keep" or'), (f'ocm.zip("{tree}", {{ root = true }})', 'ocm.zip: unknown option "root"'), (
            f'"{tree}/a.txt", ocm.zip "{tree}"', "ocm.zip is a source: put it first"):
        assert message in plugin.run_error(f"ocm.pipe({code}, ocm.null())")


def test_zipping_is_cancelled_soon_and_leaves_nothing(folder):
    (folder / "tree").mkdir()
    with open(folder / "tree/huge", "wb") as file:
        file.truncate(1 << 40)
    with Plugin(runner("limits = { handler = 0.5 },")) as plugin:
        answer = plugin.request("POST", "/run", f'ocm.pipe(ocm.zip "{folder}/tree", "{folder}/out")')
        assert (answer.status, answer.text) == (500, "the handler took longer than limits.handler allows")
        until(lambda: left(folder) == ["tree"])
