"""ocm.tempfile and ocm.copy: where files are, how long they stay, what is copied and what is said when that fails."""
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest
from harness import Plugin, runner, until


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- temporary files ----

def test_tempfile_is_an_empty_private_file_in_the_run_directory(plugin):
    path, = plugin.run("ocm.tempfile():path()")
    assert os.path.dirname(path) == os.path.dirname(plugin.address)
    assert (os.path.getsize(path), stat.S_IMODE(os.stat(path).st_mode)) == (0, 0o600)


def test_tempfile_is_written_to_by_appending(plugin):
    path, = plugin.run('''local file = ocm.tempfile()
      assert(file:write("a", 1, "\\0") == file and file:write() == file)
      assert(file:close() and file:close())
      file:write "more"
      return file:path()''')
    with open(path, "rb") as file:
        assert file.read() == b"a1\0more"


def test_path_of_a_tempfile_shows_what_was_written_so_far(plugin):
    assert plugin.run('''local file = ocm.tempfile():write "one"
      local reader = io.open(file:path())
      local first = reader:read "a"
      file:write "two" file:path()
      return first, reader:read "a"''') == ["one", "two"]


def test_tempfile_that_nobody_knows_of_goes_with_its_last_reference(plugin):
    assert plugin.run('''local path = tostring(ocm.tempfile():write "x"):match "%((.+)%)"
      collectgarbage() collectgarbage()
      return io.open(path) == nil''') == [True]


def test_tempfile_whose_path_was_taken_stays_until_the_process_ends():
    with Plugin(runner()) as plugin:
        path, = plugin.run('ocm.tempfile():write "x":path()')
        assert plugin.run("collectgarbage() collectgarbage() return 0") == [0]
        assert os.path.getsize(path) == 1
    assert not os.path.exists(path)


def test_whatever_is_made_in_the_run_directory_goes_with_the_process():
    with Plugin(runner()) as plugin:
        path, = plugin.run('''local folder = ocm.tempfile():path():match "^(.+)/"
          local lfs = require "lfs"
          assert(lfs.mkdir(folder .. "/a") and lfs.mkdir(folder .. "/a/b") and lfs.link("/etc", folder .. "/a/link", true))
          io.open(folder .. "/a/b/c", "w"):close()
          return folder''')
        assert os.path.exists(path + "/a/b/c")
    assert not os.path.exists(path) and os.path.exists("/etc/passwd")


@pytest.mark.parametrize("code, expected", [
    ("ocm.tempfile():write {}", "bad argument #1 to 'write' (string expected, got table)"),
    ("ocm.tempfile():write('a', nil)", "bad argument #2 to 'write' (string expected, got nil)"),
    ("ocm.tempfile().write('x')", "bad argument #1 to 'write' (ocm.tempfile expected, got string)"),
    ("ocm.tempfile():seek()", "attempt to call a nil value (method 'seek')"),
])
def test_misuse_of_a_tempfile_is_raised_where_it_happens(plugin, code, expected):
    assert plugin.run_error(code) == "run:1: " + expected


def test_tempfile_before_there_is_a_run_directory_is_refused():
    with Plugin(runner(before="problem = select(2, pcall(ocm.tempfile))")) as plugin:
        assert plugin.run("problem") == ["temporary files are for handlers, start and cleanup: there is no run directory yet"]


def test_tempdir_is_private_and_goes_with_its_content_at_the_end_of_the_block(plugin):
    before, mode, held, after = plugin.run('''local lfs, kept = require "lfs", nil
      local mode, held
      do
        local dir <close> = ocm.tempdir()
        kept = dir:path()
        mode = lfs.attributes(kept, "permissions")
        assert(ocm.fs.make_dirs(dir:path "a/b"))
        assert(ocm.fs.write(dir:path "a/b/c", "x"))
        held = ocm.fs.read(kept .. "/a/b/c")
      end
      return kept, mode, held, lfs.attributes(kept) == nil''')
    assert (mode, held, after) == ("rwx------", "x", True)
    assert Path(before).parent.name.startswith("ocm-")


def test_tempdir_goes_when_its_block_fails_and_when_its_task_is_cancelled(plugin):
    failed, cancelled = plugin.run('''local lfs, paths = require "lfs", {}
      pcall(function()
        local dir <close> = ocm.tempdir()
        paths[1] = dir:path()
        error "x"
      end)
      pcall(ocm.parallel, function()
        local dir <close> = ocm.tempdir()
        paths[2] = dir:path()
        assert(ocm.fs.write(dir:path "file", "x"))
        ocm.sleep(60)
      end, function()
        repeat ocm.sleep(0.001) until paths[2] and lfs.attributes(paths[2] .. "/file")
        error "cancels the other"
      end)
      return lfs.attributes(paths[1]) == nil, lfs.attributes(paths[2]) == nil''')
    assert (failed, cancelled) == (True, True)


def test_tempdir_can_be_closed_twice_and_is_refused_before_there_is_a_run_directory():
    with Plugin(runner(before="problem = select(2, pcall(ocm.tempdir))")) as plugin:
        assert plugin.run("problem") == ["temporary files are for handlers, start and cleanup: there is no run directory yet"]
        assert plugin.run("local dir = ocm.tempdir() dir:close() return dir:close(), tostring(dir) == 'tempdir (' .. dir:path() .. ')'") == [True, True]


# ---- copies ----

@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 3 << 20])
def test_copy_gives_the_bytes_and_their_digest(plugin, folder, size):
    data = os.urandom(size)
    (folder / "source").write_bytes(data)
    assert plugin.run(f'ocm.copy("{folder}/source", "{folder}/target")') == [{"bytes": size, "written": size, "digests": [digest(data)]}]
    assert (folder / "target").read_bytes() == data


@pytest.mark.parametrize("source", ['"{0}/source"', '{{ type = "localFile", value = "{0}/source" }}', '{{ value = "{0}/source", mediaType = "x" }}',
                                    'ocm.tempfile():write "some ":write "text"'])
@pytest.mark.parametrize("target", ['"{0}/target"', '{{ type = "localFile", value = "{0}/target" }}', "ocm.tempfile()"])
def test_source_and_target_are_a_path_a_location_or_a_tempfile(plugin, folder, source, target):
    (folder / "source").write_text("some text")
    found, content = plugin.run(f'''local source, target = {source.format(folder)}, {target.format(folder)}
      local result = ocm.copy(source, target)
      local path = type(target) == "table" and target.value or type(target) == "userdata" and target:path() or target
      return result, io.open(path):read "a"''')
    assert (found["bytes"], found["digests"], content) == (9, [digest(b"some text")], "some text")


def test_copy_replaces_its_target_as_a_whole(plugin, folder):
    (folder / "source").write_text("new")
    (folder / "target").write_text("old and longer")
    plugin.run(f'ocm.copy("{folder}/source", "{folder}/target")')
    assert (folder / "target").read_text() == "new"
    assert sorted(path.name for path in folder.iterdir()) == ["source", "target"]


def test_copy_into_a_tempfile_replaces_what_was_written_and_what_is_written_next_follows(plugin, folder):
    (folder / "source").write_text("new")
    assert plugin.run(f'''local file = ocm.tempfile():write "old and longer"
      ocm.copy("{folder}/source", file)
      return io.open(file:write "!":path()):read "a"''') == ["new!"]


def test_failed_copy_leaves_its_target_as_it_was(plugin, folder):
    (folder / "target").write_text("old")
    assert "No such file" in plugin.run_error(f'ocm.copy("{folder}/nosuch", "{folder}/target")')
    assert "Is a directory" in plugin.run_error(f'ocm.copy("{folder}", "{folder}/target")')
    assert (folder / "target").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["target"]


@pytest.mark.parametrize("arguments, expected", [
    ('"/nonexistent", ocm.tempfile()', "copy: opening /nonexistent: No such file or directory"),
    ('"/etc", ocm.tempfile()', "copy: reading /etc: Is a directory"),
    ('"/etc/passwd", "/nonexistent/x"', "copy: creating /nonexistent/x: No such file or directory"),
    ('"/etc/passwd", "/tmp"', "copy: creating /tmp: Is a directory"),
    ('"/etc/passwd", "/dev/full"', "copy: writing /dev/full: No space left on device"),
    ('"/proc/self/mem", ocm.tempfile()', "copy: reading /proc/self/mem: Input/output error"),
    ('"", ocm.tempfile()', "copy: opening : No such file or directory"),
    ("7, ocm.tempfile()", "bad argument #1 to 'copy' (path, Location or tempfile expected, got number)"),
    ("ocm.tempfile()", "bad argument #2 to 'copy' (path, Location or tempfile expected, got nil)"),
    ('{ type = "localFile" }, ocm.tempfile()', "bad argument #1 to 'copy' (path, Location or tempfile expected, got nil)"),
    ('ocm.tempfile(), { type = "remoteURL", value = "http://x" }', "copy: ocm.remoteURL cannot be the last part, a sink"),
    ('"a\\0b", ocm.tempfile()', "bad argument #1 to 'copy' (a path cannot hold a NUL byte)"),
])
def test_copy_that_fails_says_what_and_where(plugin, arguments, expected):
    misuse = "bad argument" in expected or "cannot be" in expected  # then, the script's line helps whoever reads it
    assert plugin.run_error(f"local copied = ocm.copy({arguments})") == ("run:1: " if misuse else "") + expected
    assert plugin.run_error(f"return ocm.copy({arguments})") == expected  # after a tail call nobody knows the line


def test_copy_reads_a_named_pipe_while_others_are_served(plugin, folder):
    os.mkfifo(folder / "pipe")
    data = os.urandom(300_000)
    results = []
    copier = threading.Thread(target=lambda: results.append(
        plugin.run(f'ocm.copy({{ type = "unixNamedPipe", value = "{folder}/pipe" }}, "{folder}/target")')))
    copier.start()
    assert plugin.run("1") == [1] # nobody writes yet
    with open(folder / "pipe", "wb") as pipe:
        pipe.write(data[:1000])
        pipe.flush()
        assert plugin.run("2") == [2] # the writer has stopped in between
        pipe.write(data[1000:])
    copier.join(30)
    assert results == [[{"bytes": len(data), "written": len(data), "digests": [digest(data)]}]]
    assert (folder / "target").read_bytes() == data


def test_copies_run_at_the_same_time(plugin, folder):
    """Two pipes, the one that is read first written last."""
    for name in "ab":
        os.mkfifo(folder / name)
    results = []
    copier = threading.Thread(target=lambda: results.extend(plugin.run(f'''return ocm.parallel(
      function() return ocm.copy("{folder}/a", ocm.tempfile()).bytes end,
      function() return ocm.copy("{folder}/b", ocm.tempfile()).bytes end)''')))
    copier.start()
    for name in "ba":
        (folder / name).write_text(name * 10)
    copier.join(30)
    assert results == [10, 10]


def test_copy_from_a_pipe_without_a_writer_ends_with_its_task(folder):
    os.mkfifo(folder / "pipe")
    with Plugin(runner()) as plugin:
        assert plugin.run_error(f'''ocm.parallel(function() ocm.copy("{folder}/pipe", "{folder}/target") end,
          function() ocm.sleep(0.01) error("enough", 0) end)''') == "enough"
        until(lambda: [path.name for path in folder.iterdir()] == ["pipe"])


def test_copied_file_can_be_read_by_those_whom_the_umask_lets(folder):
    (folder / "source").write_text("x")
    with Plugin(runner(), umask=0o027) as plugin:
        plugin.run(f'ocm.copy("{folder}/source", "{folder}/target")')
    assert stat.S_IMODE((folder / "target").stat().st_mode) == 0o640
