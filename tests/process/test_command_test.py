"""ocmlua test: test files are found and run, plugins behave as in earnest, and what failed is said in every format."""
import json
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from harness import DEADLINE, OCMLUA, Folder, environment, gone, run, until

PLUGIN = '''#!/usr/bin/env ocmlua
local ocm = require "ocm"
local words = require "words"
local function unused()
  return 1
end
local function slow(seconds)
  local wake = coroutine.wrap(function()
    ocm.sleep(seconds)
    return "slept"
  end)
  return wake()
end
return ocm.plugin {
  configTypes = { "greeting/v1" },
  start = function(config)
    ocm.log.info("started", { id = config.id })
    if config.refuse then error "no configuration like that" end
  end,
  cleanup = function() print "cleaned up" end,
  inputRepository = {
    types = { "Hello/v1" },
    ProcessResource = function(request, credentials)
      local input = request.resource.input
      if input.missing then ocm.fail(404, "there is no %s", input.missing) end
      if input.bug then return words.broken() end
      if input.wrong then return { resource = request.resource } end
      local text = words.greeting .. slow(0.001)
      if credentials then text = text .. credentials.properties.username end
      return { resource = request.resource, location = { value = ocm.tempfile():write(text), mediaType = "text/plain" } }
    end,
  },
  componentVersionRepository = {
    types = { "Repository/v1" },
    GetLocalResource = function(request)
      return { resource = { name = request.identity.name, version = request.version, type = "t", relation = "local", access = { type = "a" } },
        location = ocm.tempfile():write(request.name) }
    end,
    ListComponentVersions = function() return ocm.json.array() end,
  },
  handlers = {
    ["GET /custom/{name}"] = function(request)
      return { status = 201, headers = { ["X-Seen"] = request.headers["x-sent"] }, body = request.params.name .. (request.query.q or "") }
    end,
    ["POST /echo"] = function(request) return { body = request.body } end,
  },
}
'''
WORDS = 'return {\n  greeting = "hello ",\n  broken = function()\n    local nothing\n    return nothing.field\n  end,\n}\n'

BEGIN = '''local test = require "ocm.test"
local ocm = require "ocm"
local function ask(input)
  input.type = "Hello/v1"
  return { resource = { name = "it", version = "1.0.0", type = "text", input = input } }
end
'''


@pytest.fixture
def folder():
    with Folder() as path:
        (path / "plugin").mkdir()
        (path / "plugin/hello").write_text(PLUGIN)
        (path / "plugin/words.lua").write_text(WORDS)
        yield path


def write(folder, text, name="plugin/hello_test.lua"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(BEGIN + text)


def results(folder, text=None, *arguments):
    """{name: result} of `ocmlua test --json`."""
    if text is not None:
        write(folder, text)
    done = run("test", "--json", *arguments, cwd=folder)
    assert done.stdout, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)["tests"]}


def result(folder, body):
    return results(folder, f'test("it", function()\n{body}\nend)')["it"]


def passes(folder, body):
    got = result(folder, body)
    assert got["status"] == "passed", got


def message(folder, body):
    got = result(folder, body)
    assert got["status"] == "failed"
    return got["message"]


# ---- finding and running ----

def test_test_files_are_found_below_folders_and_named_paths_run_as_they_are(folder):
    write(folder, 'test("a", function() end)', "one_test.lua")
    write(folder, 'test("b", function() end)', "deep/er/two_test.lua")
    write(folder, 'test("c", function() end)', ".hidden/three_test.lua")
    write(folder, 'test("d", function() end)', "other.lua")
    assert set(results(folder)) == {"a", "b"}
    assert set(results(folder, None, "deep")) == {"b"}
    assert set(results(folder, None, "other.lua", "one_test.lua")) == {"a", "d"}


def test_exit_status_says_whether_all_passed(folder):
    write(folder, 'test("a", function() end) test("b", function() test.skip "not here" end)')
    done = run("test", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^1 passed, 1 skipped in \d", done.stdout, re.M)
    write(folder, 'test("a", function() error "no" end)')
    assert run("test", cwd=folder).returncode == 1


@pytest.mark.parametrize("arguments, text", [
    ((), "there is no file named *_test.lua in this folder or below"),
    (("nowhere",), "there is no nowhere"),
])
def test_nothing_to_run_is_a_failure(folder, arguments, text):
    done = run("test", *arguments, cwd=folder)
    assert done.returncode == 1
    assert text in done.stderr


def test_filter_chooses_by_name(folder):
    write(folder, 'test("blobs [x]", function() end) test("names", function() end)')
    assert set(results(folder, None, "--filter", "[x]")) == {"blobs [x]"}
    done = run("test", "--filter", "nothing", cwd=folder)
    assert done.returncode == 1
    assert 'no test has "nothing" in its name' in done.stderr


def test_two_formats_at_once_are_misuse(folder):
    done = run("test", "--tap", "--json", cwd=folder)
    assert done.returncode == 2
    assert "--tap and --json" in done.stderr


def test_files_do_not_see_each_other(folder):
    write(folder, 'require "words".greeting = "changed" leaked = 1 test("a", function() end)', "plugin/a_test.lua")
    write(folder, 'test("b", function() test.equal({ leaked, require "words".greeting }, { nil, "hello " }) end)', "plugin/b_test.lua")
    assert results(folder)["b"]["status"] == "passed"


# ---- what fails ----

@pytest.mark.parametrize("body, expected", [
    ('test.equal({ a = { 1, 2 }, b = "x" }, { a = { 1, 3 }, c = true })', 'not equal\n  .a[2]: got 2, expected 3\n  .b: not expected, got "x"\n  .c: missing, expected true'),
    ('test.equal(1, 2, "the sum")', "the sum: got 1, expected 2"),
    ('test.equal("a\\nb\\nc", "a\\nx\\nc")', 'line 2: got "b", expected "x"'),
    ('test.equal(ocm.json.null, nil)', "got null, expected nil"),
    ('local cycle = {} cycle[1] = cycle test.equal(cycle, { 1 })', "not equal\n  [1]: got { {…} }, expected 1"),
    ('test.truthy(nil, "the answer")', "the answer: expected a value, got nil"),
    ('test.falsy(0)', "expected nil or false, got 0"),
    ('test.match("abc", "^b")', 'got "abc", which does not match "^b"'),
    ('test.contains("abc", ".")', 'got "abc", which does not contain "."'),
    ('test.raises("x", function() end)', 'nothing was raised, expected "x"'),
    ('test.raises("x", function() error("y", 0) end)', 'raised "y", which does not match "x"'),
    ('test.raises(404, function() error "y" end)', "expected status 404"),
    ('test.raises(nil, function() test.equal(1, 2) end)', "got 1, expected 2"),
    ('test.fail "because"', "because"),
])
def test_checks_say_what_they_saw_and_where(folder, body, expected):
    got = result(folder, body)
    assert (got["status"], got["where"]) == ("failed", "plugin/hello_test.lua:8")
    assert expected in got["message"]


def test_checks_that_hold_pass(folder):
    passes(folder, '''
        test.equal({ 1, { a = ocm.json.null } }, { 1, { a = ocm.json.null } })
        test.equal(ocm.json.array(), {})
        test.equal({ test.match("a=1", "(%w)=(%d)") }, { "a", "1" })
        test.equal(test.truthy(0), 0)
        test.falsy(false)
        test.equal(test.raises("oo", function() error("boom", 0) end), "boom")
        test.raises(nil, function() error {} end)''')


def test_an_error_is_shown_with_its_place_and_traceback(folder):
    got = result(folder, 'local function inner()\nlocal x\nreturn x.y\nend\nlocal r = inner()\nreturn r')
    assert got["message"].startswith("plugin/hello_test.lua:10: attempt to index a nil value")
    assert "plugin/hello_test.lua:12" in got["traceback"]


@pytest.mark.parametrize("text, expected", [
    ("local x = = 1", "plugin/hello_test.lua:7: unexpected symbol"),
    ('error "at the top"', "plugin/hello_test.lua:7: at the top"),
    ("", "it declares no test"),
    ('test("a", function() end)\ntest("a", function() end)', 'plugin/hello_test.lua:8: there is a test "a" already'),
])
def test_a_file_that_does_not_load_is_a_failure(folder, text, expected):
    got = results(folder, text)["the file"]
    assert got["status"] == "failed"
    assert expected in got["message"]


def test_a_file_that_ends_the_process_is_a_failure_and_the_next_one_runs(folder):
    write(folder, 'test("b", function() end)', "z_test.lua")
    got = results(folder, 'test("a", function() end) test("ends", function() print "last words" os.exit(3) end)')
    assert (got["a"]["status"], got["ends"]["status"], got["b"]["status"]) == ("passed", "failed", "passed")
    assert "exit status 3" in got["ends"]["message"]
    assert any("last words" in line for line in got["ends"]["log"])


def test_a_process_that_fails_at_its_end_is_a_failure(folder):
    got = results(folder, 'test("a", function() end) kept = setmetatable({}, { __gc = function() os.exit(4) end })')
    assert (got["a"]["status"], got["the file"]["status"]) == ("passed", "failed")
    assert "its process failed at its end: exit status 4" in got["the file"]["message"]


def test_before_and_after_are_run_around_each_test(folder):
    got = results(folder, '''
        local order = {}
        test.before(function() order[#order + 1] = "b1" end)
        test.before(function() order[#order + 1] = "b2" end)
        test.after(function() order[#order + 1] = "a1" end)
        test.after(function() order[#order + 1] = "a2" end)
        test("fails", function() error "x" end)
        test("sees", function() test.equal(order, { "b1", "b2", "a2", "a1", "b1", "b2" }) end)''')
    assert got["sees"]["status"] == "passed"


def test_errors_in_before_and_after_fail_the_test(folder):
    got = results(folder, '''
        test.after(function()
          error "late"
        end)
        test("a", function() end)''')["a"]
    assert (got["status"], got["where"]) == ("failed", "plugin/hello_test.lua:9")
    assert "in test.after: plugin/hello_test.lua:9: late" in got["message"]
    assert "early" in results(folder, 'test.before(function() error "early" end) test("a", function() end)')["a"]["message"]


# ---- files and the log ----

def test_folders_and_blobs_are_gone_after_the_test_and_the_working_directory_is_back(folder):
    write(folder, '''
        local kept, blob, here = {}
        test("makes", function()
          kept = test.folder()
          test.equal(test.read(test.write(kept .. "/a/b/c", "x\\0y")), "x\\0y")
          blob = test.blob("hello", "text/plain")
          test.equal(test.read(blob.value), "hello")
          here = require "lfs".currentdir()
          require "lfs".chdir(kept)
          test.truthy(test.load "hello")
        end)
        test("sees", function()
          test.falsy(require "lfs".attributes(kept))
          test.falsy(require "lfs".attributes(blob.value))
          test.equal(require "lfs".currentdir(), here)
        end)''')
    with Folder() as tmp:
        done = subprocess.run([OCMLUA, "test"], cwd=folder, env=environment(tmp), capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, done.stdout
        assert os.listdir(tmp) == []


def test_log_has_what_the_test_logged_and_nothing_from_before(folder):
    got = results(folder, '''
        test("first", function() print "old" end)
        test("second", function()
          print("a", 1)
          io.write "written\\n"
          ocm.log.warn("slow", { seconds = 2 })
          os.execute "echo from a child"
          test.equal(test.log(), { { level = "INFO", msg = "a\\t1" }, { level = "INFO", msg = "written" },
            { level = "WARN", msg = "slow", seconds = 2 }, { level = "INFO", msg = "from a child" } })
          test.equal(#test.log "WARN", 1)
        end)''')
    assert got["second"]["status"] == "passed", got["second"]


def test_log_of_a_failed_test_is_shown(folder):
    write(folder, 'test("quiet", function() print "not shown" end)\ntest("loud", function() ocm.log.warn("shown", { a = 1 }) error "x" end)')
    done = run("test", cwd=folder)
    assert "WARN  shown a=1" in done.stdout
    assert "not shown" not in done.stdout


# ---- plugins ----

def test_a_call_goes_through_the_checks_of_a_real_request(folder):
    passes(folder, '''
        local plugin = test.load "hello"
        local answer = plugin:call("inputRepository", "ProcessResource", ask {}, { type = "DirectCredentials/v1", properties = { username = "me" } })
        test.equal(plugin:blob(answer.location), "hello sleptme")
        test.equal(plugin:blob(answer), "hello sleptme")
        test.equal({ answer.location.type, answer.location.mediaType }, { "localFile", "text/plain" })
        test.equal(tostring(test.raises(404, function() plugin:call("ProcessResource", ask { missing = "cat" }) end)), "404 there is no cat")
        test.equal(test.raises(400, function() plugin:call("ProcessResource", {}) end).text, "inputRepository.ProcessResource: request.resource: expected an object, got nothing")
        test.contains(test.raises(500, function() plugin:call("ProcessResource", ask { wrong = true }) end).text, "answer.location")
        test.raises(501, function() plugin:call("ProcessSource", { source = { name = "it" } }) end)
        test.equal(plugin:call("ListComponentVersions", { name = "a" }), {})
        test.equal(plugin:call("CheckHealth", { repository = { type = "Repository/v1" } }), true)
        local got = plugin:call("GetLocalResource", { name = "a&b", version = "1+1", identity = { name = "ä" } })
        test.equal({ got.resource.name, got.resource.version, plugin:blob(got) }, { "ä", "1+1", "a&b" })
        test.equal(#plugin.capabilities.capabilities, 2)''')


def test_a_handlers_error_fails_with_its_place_and_is_in_the_log_with_its_traceback(folder):
    got = result(folder, 'local plugin = test.load "hello"\nplugin:call("ProcessResource", ask { bug = true })')
    assert got["where"] == "plugin/hello_test.lua:9"
    assert re.match(r"500 plugin/words.lua:5: attempt to index a nil value", got["message"])
    [failed] = [json.loads(line) for line in got["log"] if "request failed" in line]
    assert "plugin/words.lua:5" in failed["traceback"]


@pytest.mark.parametrize("call, expected", [
    ('plugin:call("GetIdentity", { type = { type = "Hello/v1" } })', "GetIdentity is a method of componentVersionRepository and inputRepository: say which"),
    ('plugin:call("ProcessResorce", ask {})', 'the plugin has no method ProcessResorce, did you mean "ProcessResource"?'),
    ('plugin:call("blobTransformer", "TransformBlob", {})', "the plugin does not declare blobTransformer"),
    ('plugin:blob { type = "remoteURL", value = "http://x" }', "expected a Location of type localFile"),
    ('plugin:close() plugin:request { path = "/x" }', "the plugin is closed"),
])
def test_misuse_of_a_plugin_is_said_at_the_line(folder, call, expected):
    got = result(folder, f'local plugin = test.load "hello"\n{call}')
    assert got["where"] == "plugin/hello_test.lua:9"
    assert expected in got["message"]


def test_custom_handlers_get_and_give_everything(folder):
    passes(folder, '''
        local plugin = test.load "hello"
        test.equal(plugin:request { path = "/custom/a%2Fb", query = { q = "c d" }, headers = { ["X-Sent"] = "yes" } },
          { status = 201, headers = { ["x-seen"] = "yes" }, body = "a/bc d" })
        test.equal(plugin:request { path = "/echo", body = "x\\0y" }.body, "x\\0y")
        test.equal(plugin:request { path = "/echo", body = { 1, 2 } }.body, "[1,2]")
        local refused = plugin:request { path = "/echo" }
        test.equal({ refused.status, refused.headers.allow }, { 405, "POST" })
        test.equal(plugin:request { path = "/none" }.status, 404)
        test.equal(plugin:request { path = "/resource/process", body = "{" }.status, 400)
        test.equal(plugin:request { path = "/resource/process", body = "{}", headers = { Authorization = "no" } }.status, 401)''')


def test_start_gets_the_configuration_and_cleanup_comes_at_the_end(folder):
    got = results(folder, '''
        test("started", function()
          local plugin = test.load("hello", { id = "mine" })
          test.equal(test.log()[1], { level = "INFO", msg = "started", id = "mine" })
          plugin:close()
          plugin:close()
          test.equal(#test.log(), 2)
        end)
        test("refused", function() test.raises("the plugin's start failed: .*no configuration like that", function() test.load("hello", { refuse = true }) end) end)
        test("fails", function() test.load "hello" error "x" end)''')
    assert (got["started"]["status"], got["refused"]["status"]) == ("passed", "passed"), got
    assert any("cleaned up" in line for line in got["fails"]["log"])


def test_a_declaration_that_is_wrong_fails_the_test_with_file_and_line(folder):
    (folder / "plugin/bad").write_text('local ocm = require "ocm"\nreturn ocm.plugin {\n  inputRepositry = {},\n  limits = { memory = "x" },\n}\n')
    text = message(folder, 'test.load "bad"')
    assert 'plugin/bad:3: unknown capability "inputRepositry", did you mean "inputRepository"?' in text
    assert "plugin/bad:4: limits.memory" in text
    assert "there is no plugin plugin/none" in message(folder, 'test.load "none"')


def test_each_load_has_modules_of_its_own(folder):
    passes(folder, '''
        local one = test.load "hello"
        require "words".greeting = "changed "
        test.equal(one:blob(one:call("ProcessResource", ask {})), "changed slept")
        local two = test.load "hello"
        test.equal(two:blob(two:call("ProcessResource", ask {})), "hello slept")''')


def test_a_handler_that_computes_for_ever_is_ended_by_its_limit(folder):
    (folder / "plugin/loop").write_text('''local ocm = require "ocm"
        return ocm.plugin { limits = { handler = 0.05 }, inputRepository = { types = { "Hello/v1" }, ProcessResource = function() while true do end end } }''')
    passes(folder, '''
        local plugin = test.load "loop"
        test.contains(test.raises(500, function() plugin:call("ProcessResource", ask {}) end).text, "limits.handler")
        ocm.sleep(0.1)''')


def test_requests_run_at_the_same_time_and_one_that_is_given_up_is_ended(folder):
    passes(folder, '''
        local plugin = test.load "hello"
        local function get() return plugin:blob(plugin:call("ProcessResource", ask {})) end
        local a, b, c = ocm.parallel(get, get, get)
        test.equal({ a, b, c }, { "hello slept", "hello slept", "hello slept" })
        test.raises("given up", function() ocm.parallel(get, function() error("given up", 0) end) end)
        ocm.sleep(0.01)''')


# ---- services ----

FETCH = '''local ocm = require "ocm"
return ocm.plugin {
  inputRepository = {
    types = { "Hello/v1" },
    ProcessResource = function(request)
      local out = ocm.tempfile()
      ocm.pipe(ocm.http.get { url = request.resource.input.url, retries = 0 }, out)
      return { resource = request.resource, location = out }
    end,
  },
}'''


def test_a_server_stands_in_for_a_service(folder):
    (folder / "plugin/fetch").write_text(FETCH)
    passes(folder, '''
        local server = test.http { ["GET /a b"] = { body = ("x"):rep(1000000) } }
        local plugin = test.load "fetch"
        test.equal(#plugin:blob(plugin:call("ProcessResource", ask { url = server.url .. "/a%20b?q=%31&q=2" })), 1000000)
        test.equal(#server.requests, 1)
        test.equal({ server.requests[1].method, server.requests[1].path, server.requests[1].query }, { "GET", "/a b", { q = "1" } })
        test.contains(test.raises(500, function() plugin:call("ProcessResource", ask { url = server.url .. "/none" }) end).text, "404")''')


def test_a_server_answers_with_a_function_that_may_wait(folder):
    passes(folder, '''
        local server = test.http(function(request)
          ocm.sleep(0.001)
          return { status = 201, headers = { ["X-Length"] = #request.body }, body = request.method .. request.path }
        end)
        local a, b = ocm.parallel(
          function() return ocm.http.request { url = server.url .. "/1", method = "PUT", body = ("y"):rep(3000000) } end,
          function() return ocm.http.request { url = server.url .. "/2" } end)
        test.equal({ a.status, a.body, a.headers["x-length"] }, { 201, "PUT/1", "3000000" })
        test.equal(b.body, "GET/2")''')


def test_an_error_of_the_server_fails_the_test(folder):
    text = message(folder, '''
        local server = test.http(function() error "broken" end)
        ocm.http.request { url = server.url .. "/x", retries = 0 }''')
    assert re.search(r"test.http: GET /x: plugin/hello_test.lua:\d+: broken", text)


def test_a_server_takes_chunks_and_refuses_what_is_no_http(folder):
    got = results(folder, '''
        test("it", function()
          local server = test.http(function(request) return { body = request.body } end)
          local host, port = server.url:match "//(.*):(%d+)"
          local script = [[import socket, sys
def ask(data):
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
        s.sendall(data)
        return b"".join(iter(lambda: s.recv(4096), b""))
print(ask(b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n3\\r\\nabc\\r\\n2;x\\r\\nde\\r\\n0\\r\\n\\r\\n").split(b"\\r\\n\\r\\n")[1].decode())
print(ask(b"nonsense\\r\\n\\r\\n").split()[1].decode())
print(ask(b"HEAD / HTTP/1.1\\r\\n\\r\\n").split(b"\\r\\n\\r\\n")[1] == b"")]]
          test.equal(ocm.exec { "/usr/bin/python3", "-c", script, host, port }.stdout, "abcde\\n400\\nTrue\\n")
        end)''')
    assert got["it"]["status"] == "passed", got


def test_a_file_that_takes_too_long_is_ended_when_there_is_a_limit(folder):
    write(folder, 'test("b", function() end)', "z_test.lua")
    got = results(folder, 'test("a", function() ocm.sleep(1000) end)', "--timeout", "3") # which is for the other file, too
    assert (got["a"]["status"], got["b"]["status"]) == ("failed", "passed")
    assert "timed out after 3 s" in got["a"]["message"]
    done = run("test", "--timeout", "soon", cwd=folder)
    assert done.returncode == 2 and "--timeout: expected seconds" in done.stderr


# ---- formats ----

MIXED = 'test("good", function() end)\ntest("bad # <&>", function() print "line" test.equal(1, 2) end)\ntest("skipped", function() test.skip "not here" end)'


def test_tap(folder):
    write(folder, MIXED)
    done = run("test", "--tap", cwd=folder)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert (lines[0], lines[-1]) == ("TAP version 14", "1..3")
    assert "ok 1 - plugin/hello_test.lua: good" in lines
    assert "not ok 2 - plugin/hello_test.lua: bad \\# <&>" in lines
    assert "ok 3 - plugin/hello_test.lua: skipped # SKIP not here" in lines
    assert '  at: "plugin/hello_test.lua:8"' in lines


def test_junit(folder):
    write(folder, MIXED)
    done = run("test", "--junit", "report.xml", cwd=folder)
    assert done.returncode == 1
    suites = ElementTree.parse(folder / "report.xml").getroot()
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("3", "1", "1")
    good, bad, skipped = suites.find("testsuite")
    assert (good.get("name"), list(good)) == ("good", [])
    assert bad.get("name") == "bad # <&>" and bad.find("failure").get("message") == "got 1, expected 2"
    assert "plugin/hello_test.lua:8" in bad.find("failure").text
    assert skipped.find("skipped").get("message") == "not here"


def test_people_see_names_and_places(folder):
    write(folder, MIXED)
    done = run("test", cwd=folder)
    assert re.match(r"plugin/hello_test.lua\n  ok    good\n  FAIL  bad # <&>\n        plugin/hello_test.lua:8: got 1, expected 2\n        log:\n          INFO  line\n  skip  skipped", done.stdout)


def test_coverage_says_which_lines_did_not_run_also_in_coroutines(folder):
    write(folder, '''test("it", function()
        local began = os.clock()
        while os.clock() - began < 0.05 do end -- long enough for the watch over slices to set its own hook
        local plugin = test.load "hello"
        plugin:call("ProcessResource", ask {})
      end)''')
    done = run("test", "--json", "--coverage", cwd=folder)
    rows = {row["file"]: row for row in json.loads(done.stdout)["coverage"]}
    assert set(rows) == {"plugin/hello", "plugin/words.lua"}
    numbered = PLUGIN.splitlines()
    missed = [numbered[line - 1].strip() for line in rows["plugin/hello"]["missed"]]
    assert missed == [
        "return 1",
        "return { resource = { name = request.identity.name, version = request.version, type = \"t\", relation = \"local\", access = { type = \"a\" } },",
        "location = ocm.tempfile():write(request.name) }",
        "return { status = 201, headers = { [\"X-Seen\"] = request.headers[\"x-sent\"] }, body = request.params.name .. (request.query.q or \"\") }"]
    assert rows["plugin/words.lua"]["missed"] == [4, 5]
    assert rows["plugin/hello"]["covered"] + len(missed) == rows["plugin/hello"]["lines"]
    assert "not run: 4-5" in run("test", "--coverage", cwd=folder).stdout


def test_coverage_adds_up_over_files(folder):
    write(folder, 'test("a", function() local p = test.load "hello" p:request { path = "/custom/x" } end)', "plugin/a_test.lua")
    write(folder, 'test("b", function() local p = test.load "hello" p:call("ProcessResource", ask {}) end)', "plugin/b_test.lua")
    def covered(*paths):
        rows = json.loads(run("test", "--json", "--coverage", *paths, cwd=folder).stdout)["coverage"]
        return next(row["covered"] for row in rows if row["file"] == "plugin/hello")
    assert covered() > covered("plugin/a_test.lua")
    assert covered() > covered("plugin/b_test.lua")


# ---- the command's own life ----

def begin(folder, *arguments):
    return subprocess.Popen([OCMLUA, "test", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=open(folder / "out", "wb"),
                            stderr=subprocess.STDOUT, env=environment(folder))


def test_watch_runs_again_when_a_file_changes(folder):
    write(folder, 'test("a", function() local p = test.load "hello" test.equal(p:blob(p:call("ProcessResource", ask {})), "hello slept") end)')
    process = begin(folder / "plugin", "--watch", "hello_test.lua")
    output = lambda: (folder / "plugin/out").read_text()
    try:
        until(lambda: "waiting for a file to change" in output())
        assert "1 passed" in output()
        (folder / "plugin/words.lua").write_text(WORDS.replace("hello ", "a longer greeting "))
        until(lambda: output().count("waiting for a file to change") >= 2) # it may see the file before all is written, and look again
        assert "1 failed" in output()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130


@pytest.mark.parametrize("body", ["while true do end", "ocm.sleep(1000)", 'pcall(function() while true do end end) ocm.sleep(1000)'])
def test_ctrl_c_ends_it_and_the_test_that_runs(folder, body):
    write(folder, f'test("a", function() test.write("{folder}/pid", io.open("/proc/self/stat"):read "a":match "^%d+") {body} end)')
    process = begin(folder)
    try:
        pid = int(until(lambda: (folder / "pid").exists() and (folder / "pid").read_text()))
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
        until(lambda: gone(pid))
        until(lambda: not [name for name in os.listdir(folder) if name.startswith("ocm-")])
    finally:
        process.kill()
        process.wait()
