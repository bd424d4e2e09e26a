"""archive-transformer: archives of real tools turned into one another, unpacked by real tools, over the socket and through the plugin manager."""
import bz2
import gzip
import hashlib
import io
import itertools
import json
import lzma
import os
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from faults import sanitized
from harness import Plugin, sizes, until

SCRIPT = Path(__file__).resolve().parent / "archive-transformer"
LONG = "n" * 120
SANITIZED = sanitized()

# How the tools make an archive of the directory that they run in, on stdout.
MAKE = {
    "tar": "tar -cf - --sort=name .", "tar.gz": "tar -czf - .", "tar.zst": "tar -cf - . | zstd -q", "tar.xz": "tar -cJf - .", "tar.bz2": "tar -cjf - .",
    "pax": "bsdtar -cf - --format=pax *", "zip": "zip -qry - .", "7-zip-like": "bsdtar -cf - --format=zip .", "zip.gz": "bsdtar -cf - --format=zip . | gzip",
}
# How they unpack one from stdin (a zip: from the file $0) into it.
UNPACK = {
    "tar": "tar -xpf -", "tar.gz": "tar -xpzf -", "tar.zst": "zstd -dcq | tar -xpf -", "tar.xz": "tar -xpJf -", "tar.bz2": "tar -xpjf -", "zip": "unzip -q $0",
}
MEDIA_TYPES = {
    "tar": "application/x-tar", "tar.gz": "application/x-tar+gzip", "tar.zst": "application/x-tar+zstd", "tar.xz": "application/x-tar+xz",
    "tar.bz2": "application/x-tar+bzip2", "zip": "application/zip",
}
DECOMPRESS = {
    "gzip": gzip.decompress, "xz": lzma.decompress, "bzip2": bz2.decompress,
    "zstd": lambda data: subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout,
}


@pytest.fixture(scope="module")
def plugin():
    with Plugin(SCRIPT, umask=0o077) as running:  # what the umask says must not matter
        yield running


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A directory with everything that a tar and a zip both have a place for."""
    tree = tmp_path_factory.mktemp("tree")
    for name, content in {
        "README.md": b"# read me\n", "empty": b"", "large.bin": os.urandom(700_001), "docs/deep/er/notes.md": b"notes\n", "zürich/straße.txt": b"UTF-8\n",
        f"{LONG}/{LONG}": b"long\n", "bin/tool": b"#!/bin/sh\n", "with space": b"", "-n": b"a dash\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "hollow").mkdir()
    for name, mode in {"README.md": 0o664, "empty": 0o600, "large.bin": 0o444, "docs": 0o775, "bin/tool": 0o755, "hollow": 0o700}.items():
        (tree / name).chmod(mode)
    (tree / "link").symlink_to("docs/deep/er/notes.md")
    (tree / "docs/up").symlink_to("../README.md")
    (tree / "dangling").symlink_to("no such file")
    return tree


@pytest.fixture(scope="module")
def archives(tree, tmp_path_factory):
    """{kind: path} of the tree's archives as the tools make them."""
    folder = tmp_path_factory.mktemp("archives")
    for kind, command in MAKE.items():
        with open(folder / kind.replace(".", "-"), "wb") as file:
            subprocess.run(["sh", "-ec", command.replace(" *", " -- *")], cwd=tree, stdout=file, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return {kind: folder / kind.replace(".", "-") for kind in MAKE}


def contents(root):
    """{path: (kind, content or target, permissions)} of all below root."""
    found = {}
    for path in sorted(root.rglob("*")):
        name, mode = str(path.relative_to(root)), oct(stat.S_IMODE(path.lstat().st_mode))
        found[name] = (("link", os.readlink(path), "") if path.is_symlink() else ("directory", "", mode) if path.is_dir() else
                       ("file", hashlib.sha256(path.read_bytes()).hexdigest(), mode))
    return found


def ask(plugin, blob, headers=None, **spec):
    return plugin.request("POST", "/blob/transform", {
        "location": {"type": "localFile", "value": str(blob)}, "specification": {"type": "ArchiveTransformer/v1", **spec}}, headers)


def transform(plugin, blob, **spec):
    """(path, media type) of what a blob becomes."""
    answer = ask(plugin, blob, **spec)
    assert answer.status == 200, answer.text
    location = json.loads(answer.body)["location"]
    assert location["type"] == "localFile"
    return Path(location["value"]), location["mediaType"]


def refused(plugin, blob, status=400, **spec):
    answer = ask(plugin, blob, **spec)
    assert answer.status == status, answer.text
    return answer.text


def unpack(kind, archive, folder):
    folder.mkdir()
    with open(archive, "rb") as stdin:
        subprocess.run(["sh", "-ec", UNPACK[kind], archive], cwd=folder, stdin=stdin, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return contents(folder)


def left(plugin):
    """Folders and what is not empty in the run directory: an empty file of a request that failed goes when it is collected."""
    folders = [path for run in plugin.tmp.iterdir() for path in run.iterdir() if path.is_dir()]
    return sorted([*folders, *(path for path, size in sizes(plugin.tmp).items() if size > 0)])


# ---- archives ----

@pytest.mark.parametrize("source, target", itertools.product(MAKE, UNPACK))
def test_what_the_tool_unpacks_is_what_went_in(plugin, tree, archives, folder, source, target):
    archive, media_type = transform(plugin, archives[source], to=target)
    assert media_type == MEDIA_TYPES[target]
    assert unpack(target, archive, folder / "out") == contents(tree)


def test_an_archive_that_stays_what_it_is_keeps_every_byte(plugin, archives):
    tar = archives["tar"].read_bytes()
    for way in ["tar.gz", "tar.zst", "tar.xz", "tar.bz2"], ["gzip", "xz", "none"], ["tar"]:
        archive = archives["tar"]
        for target in way:
            archive, _ = transform(plugin, archive, to=target)
        archive, media_type = transform(plugin, archive, to="tar")
        assert (archive.read_bytes(), media_type) == (tar, "application/x-tar")
    assert transform(plugin, archives["zip.gz"], to="zip")[0].read_bytes() == gzip.decompress(archives["zip.gz"].read_bytes())


@pytest.mark.parametrize("target", UNPACK)
def test_the_same_content_gives_the_same_bytes(plugin, archives, folder, tree, target):
    """Whatever the order and the times were, and whatever umask, time zone and locale are."""
    sources = ("tar.gz", "pax") if target == "zip" else ("zip", "7-zip-like")
    with Plugin(SCRIPT, umask=0o002, env={"TZ": "Asia/Tokyo", "LC_ALL": "C"}) as other:
        results = {transform(each, archives[source], to=target)[0].read_bytes() for each in (plugin, other) for source in sources}
    assert len(results) == 1


def test_times_and_owners_are_left_out_and_hard_links_are_files_between_tar_and_zip(plugin, folder):
    with tarfile.open(folder / "it.tar", "w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size, entry.mtime, entry.uid, entry.uname, entry.mode = 7, 1_700_000_000, 1000, "me", 0o6755
        archive.addfile(entry, io.BytesIO(b"content"))
        entry = tarfile.TarInfo("hard")
        entry.type, entry.linkname = tarfile.LNKTYPE, "file"
        archive.addfile(entry)
    zipped, _ = transform(plugin, folder / "it.tar", to="zip")
    with zipfile.ZipFile(zipped) as archive:
        assert [(info.filename, info.date_time, oct(info.external_attr >> 16)) for info in archive.infolist()] == [
            (name, (1980, 1, 1, 0, 0, 0), "0o100755") for name in ("file", "hard")]
        assert archive.read("hard") == b"content"
    tarred, _ = transform(plugin, zipped, to="tar")
    with tarfile.open(tarred) as archive:
        assert [(entry.name, entry.mtime, entry.uid, entry.uname, entry.isreg()) for entry in archive] == [(name, 0, 0, "", True) for name in ("file", "hard")]


@pytest.mark.parametrize("kind", ["v7", "ustar", "gnu", "pax"])
def test_every_kind_of_tar_is_known_by_its_bytes(plugin, folder, kind):
    (folder / "file").write_text("content")
    subprocess.run(["tar", "-cf", folder / "it", f"--format={kind}", "-C", folder, "file"], check=True)
    assert zipfile.ZipFile(transform(plugin, folder / "it", to="zip")[0]).read("file") == b"content"


def test_empty_archives(plugin, folder):
    subprocess.run(["tar", "-cf", folder / "empty.tar", "-T", "/dev/null"], check=True)
    zipped, _ = transform(plugin, folder / "empty.tar", to="zip")
    assert zipfile.ZipFile(zipped).namelist() == []
    tarred, _ = transform(plugin, zipped, to="tar")
    assert tarfile.open(tarred).getnames() == []
    (folder / "disk").write_bytes(bytes(20_000))  # zeros, but no tar
    assert "the blob is no archive" in refused(plugin, folder / "disk", to="zip")


# ---- compression ----

@pytest.mark.parametrize("target", DECOMPRESS)
def test_any_blob_is_compressed_and_what_is_compressed_is_not_compressed_twice(plugin, folder, target):
    content = os.urandom(1000) + b"text " * 100_000
    (folder / "blob").write_bytes(content)
    path, media_type = transform(plugin, folder / "blob", to=target)
    assert media_type == {"gzip": "application/gzip", "zstd": "application/zstd", "xz": "application/x-xz", "bzip2": "application/x-bzip2"}[target]
    assert DECOMPRESS[target](path.read_bytes()) == content
    assert path.stat().st_size < 10_000
    for other in DECOMPRESS:
        assert DECOMPRESS[other](transform(plugin, path, to=other)[0].read_bytes()) == content
    path, media_type = transform(plugin, path, to="none")
    assert (path.read_bytes(), media_type) == (content, "application/octet-stream")


def test_media_types(plugin, archives, folder):
    assert transform(plugin, archives["tar.gz"], to="none")[1] == "application/x-tar"
    assert transform(plugin, archives["zip.gz"], to="none")[1] == "application/zip"
    assert transform(plugin, archives["tar.gz"], to="tar.zst", mediaType="application/vnd.oci.image.layer.v1.tar+zstd")[1] == "application/vnd.oci.image.layer.v1.tar+zstd"


def test_levels(plugin, archives, folder):
    (folder / "text").write_text("".join(f"line {number * 7919 % 10007}\n" for number in range(50_000)))
    for target in "gzip", "zstd", "xz", "bzip2":
        assert transform(plugin, folder / "text", to=target, level=9)[0].stat().st_size < transform(plugin, folder / "text", to=target, level=1)[0].stat().st_size
    assert "ocm.gzip: level: expected an integer from 1 to 9" in refused(plugin, archives["tar"], to="tar.gz", level=10)
    assert "ocm.zip: level: expected an integer from 0 to 9" in refused(plugin, archives["tar"], to="zip", level=10)
    assert refused(plugin, archives["tar"], to="tar", level=1) == 'level: "tar" is not compressed'


# ---- what means harm, or is broken ----

def tar_of(path, *entries):
    """A tar of (name, content) and (name, tar's kind, target)."""
    with tarfile.open(path, "w") as archive:
        for name, content, *target in entries:
            entry = tarfile.TarInfo(name)
            if target:
                entry.type, entry.linkname = content, target[0]
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("entries, message", [
    ([("../evil", b"x")], 'entry "../evil": a name with ".." is refused'),
    ([("/tmp/evil", b"x")], 'entry "/tmp/evil": an absolute name is refused'),
    ([("link", tarfile.SYMTYPE, "../..")], 'entry "link": its link to "../.." leads outside'),
    ([("link", tarfile.SYMTYPE, "/etc/passwd")], 'entry "link": its link to "/etc/passwd" leads outside'),
    ([("hard", tarfile.LNKTYPE, "/etc/passwd")], 'entry "hard": it is a hard link to "/etc/passwd", which is no file that was extracted before'),
    ([("d", tarfile.SYMTYPE, "."), ("d/x", b"through")], 'entry "d/x": what it is in is no directory, but a link'),
    ([("null", tarfile.CHRTYPE, "")], 'entry "null": a device is refused'),
    ([("same", b"1"), ("same", b"2")], 'entry "same": the archive has it twice'),
])
def test_archives_that_mean_harm_are_refused_and_nothing_stays(plugin, folder, entries, message):
    before = left(plugin)
    tar_of(folder / "it", *entries)
    assert refused(plugin, folder / "it", to="zip").startswith(f"untar of {folder}/it: {message}")
    assert left(plugin) == before


def test_names_that_a_zip_has_no_place_for_are_said(plugin, folder):
    with tarfile.open(folder / "it", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("stra\xdfe"))
    assert refused(plugin, folder / "it", to="zip").endswith(r"/stra\xdfe: a name that is no UTF-8 has no place in a zip, exclude it")


def test_zips_that_mean_harm_are_refused(plugin, folder):
    before = left(plugin)
    for name, content, mode, message in ("../evil", b"x", 0, 'a name with ".." is refused'), ("/evil", b"x", 0, "an absolute name is refused"), (
            "link", b"../..", 0o120777, 'its link to "../.." leads outside'):
        info = zipfile.ZipInfo("x" * len(name))
        info.create_system, info.external_attr = 3, mode << 16
        with zipfile.ZipFile(folder / "it", "w") as archive:
            archive.writestr(info, content)
        (folder / "it").write_bytes((folder / "it").read_bytes().replace(b"x" * len(name), name.encode()))
        assert refused(plugin, folder / "it", to="tar.gz").startswith(f'unzip of {folder}/it: entry "{name}": {message}')
    subprocess.run(["zip", "-q", "-P", "secret", folder / "locked.zip", SCRIPT.name], cwd=SCRIPT.parent, check=True)
    assert "it is encrypted" in refused(plugin, folder / "locked.zip", to="tar")
    assert left(plugin) == before


def test_bombs_end_at_the_limit(plugin, folder):
    before = left(plugin)
    (folder / "zeros.gz").write_bytes(gzip.compress(bytes(30_000_000)))
    for target in "none", "zstd":
        assert refused(plugin, folder / "zeros.gz", to=target, maxBytes=1_000_000) == "decompressed, it is more than 1,000,000 bytes"
    with zipfile.ZipFile(folder / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(30_000_000))
    assert 'entry "zeros": there are more than 1,000,000 bytes in this archive' in refused(plugin, folder / "zeros.zip", to="tar", maxBytes=1_000_000)
    tar_of(folder / "links", ("a", bytes(400_000)), ("b", tarfile.LNKTYPE, "a"), ("c", tarfile.LNKTYPE, "a"))
    assert 'entry "c": there are more than 1,000,000 bytes in this archive' in refused(plugin, folder / "links", to="zip", maxBytes=1_000_000)
    tar_of(folder / "many", *((str(number), b"") for number in range(11)))
    assert 'entry "10": there are more than 10 entries in this archive' in refused(plugin, folder / "many", to="zip", maxEntries=10)
    assert left(plugin) == before


def test_what_is_cut_short_or_altered_is_refused_and_nothing_stays(plugin, folder, archives):
    before, it = left(plugin), folder / "it"
    for kind, target in ("tar.gz", "tar"), ("tar.zst", "zip"), ("tar.xz", "tar.gz"), ("tar.bz2", "zip"), ("tar", "zip"), ("zip", "tar"), ("zip.gz", "zip"):
        it.write_bytes(archives[kind].read_bytes()[:-100_000 if kind == "tar" else -40])
        text = refused(plugin, it, to=target)
        assert any(said in text for said in ("unexpected end of file", "Truncated tar archive", "not a zip archive")), (kind, text)
    for kind, target in ("tar.gz", "zip"), ("tar.zst", "tar"), ("zip", "tar"):
        data = bytearray(archives[kind].read_bytes())
        data[len(data) // 2] ^= 0xff
        it.write_bytes(data)
        refused(plugin, it, to=target)
    for content in b"", b"PK", b"hello " * 1000, b"PK\3\4" + bytes(600):
        it.write_bytes(content)
        assert "the blob is no archive" in refused(plugin, it, to="tar") or content.startswith(b"PK\3\4")
    assert f"opening {folder}/nope: No such file or directory" in refused(plugin, folder / "nope", to="gzip")
    assert left(plugin) == before


def test_a_named_pipe_is_refused_as_it_is_read_once(plugin, folder):
    answer = plugin.request("POST", "/blob/transform", {"location": {"type": "unixNamedPipe", "value": str(folder / "it")}, "specification": {"type": "ArchiveTransformer", "to": "zip"}})
    assert (answer.status, "can be read only once" in answer.text) == (400, True)


def test_large_blobs_stream(plugin, folder):
    """In memory that does not grow with them, and not through Lua."""
    size = (20 if SANITIZED else 200) << 20
    with open(folder / "zeros", "wb") as file:
        file.truncate(size)
    subprocess.run(["tar", "-cf", folder / "zeros.tar", "-C", folder, "zeros"], check=True)
    with Plugin(SCRIPT) as fresh:
        peak = lambda: int(next(line for line in Path(f"/proc/{fresh.pid}/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
        zipped, _ = transform(fresh, folder / "zeros.tar", to="zip")
        assert zipfile.ZipFile(zipped).getinfo("zeros").file_size == size
        compressed, _ = transform(fresh, zipped, to="tar.zst")
        assert transform(fresh, compressed, to="none")[0].stat().st_size > size
        assert SANITIZED or peak() < 80 << 20


# ---- through the plugin manager ----

def call(manager, blob, **spec):
    return manager.call("blobTransformer", "TransformBlob", spec={"type": "ArchiveTransformer/v1", **spec}, blob={"path": str(blob)})["blob"]


def test_manager_gets_the_blob(manager, archives, tree):
    answer = call(manager, archives["tar.gz"], to="zip")
    assert unpack("zip", answer["path"], manager.path / "out") == contents(tree)
    assert answer["size"] == os.path.getsize(answer["path"])


def test_manager_says_what_is_wrong(manager, archives, folder):
    def error(blob, spec):
        return manager.error("blobTransformer", "TransformBlob", spec={"type": "ArchiveTransformer/v1", **spec}, blob={"path": str(blob)})
    assert "value must be one of" in error(archives["tar"], {"to": "rar"})
    assert "additional properties 'too' not allowed" in error(archives["tar"], {"to": "zip", "too": 1})
    assert "a name with \"..\" is refused" in error(tar_of(folder / "evil", ("../evil", b"x")), {"to": "zip"})
    assert call(manager, archives["tar"], to="zip")["size"] > 0  # it goes on


def test_manager_is_told_when_the_plugin_is_killed_in_the_middle_and_the_next_one_tidies_up(manager, folder):
    (folder / "slow").write_bytes(os.urandom(64 << 20))
    manager.send("blobTransformer", "TransformBlob", spec={"type": "ArchiveTransformer/v1", "to": "xz", "level": 9}, blob={"path": str(folder / "slow")}, **{"async": True})
    [run] = until(lambda: list(manager.tmp.glob("ocm-archive-transformer-*")))
    until(lambda: any(path.name.startswith("file-") and size > 0 for path, size in sizes(run).items()))
    manager.kill_plugin("archive-transformer")
    answer = manager.receive()
    assert not answer["ok"]
    assert "EOF" in answer["error"] or "connection reset" in answer["error"]
    with Plugin(SCRIPT, env={"TMPDIR": str(manager.tmp)}):
        until(lambda: not run.exists())


def test_credentials_are_ignored_and_told_to_nobody(archives):
    headers = {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "hunter2hunter2"}})}
    with Plugin(SCRIPT) as plugin:
        assert ask(plugin, archives["tar"], headers, to="zip").status == 200
        answer = ask(plugin, SCRIPT, headers, to="zip")
        assert (answer.status, "hunter2" in answer.text) == (400, False)
        identity = plugin.json("POST", "/identity", {"type": {"type": "ArchiveTransformer/v1", "to": "zip"}})
        assert identity == {"identity": {"type": "ArchiveTransformer/v1"}}
    assert "hunter2" not in "".join(plugin.stderr)
