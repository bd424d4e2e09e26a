"""`ocmlua repl`: at a terminal, as a person uses it, and with lines from a pipe."""
import subprocess

from harness import DEADLINE, OCMLUA, environment
from terminal import Terminal


def piped(folder, text, *arguments):
    return subprocess.run([OCMLUA, "repl", *arguments], input=text, capture_output=True, text=True, env=environment(folder), cwd=folder, timeout=DEADLINE,
                          check=False)


def repl(*arguments, cwd=None):
    return Terminal(OCMLUA, "repl", *arguments, cwd=cwd)


# ---- at a terminal ----

def test_expressions_are_shown_and_kept():
    with repl() as terminal:
        terminal.shows("> ")
        terminal.type("6 * 7\n")
        terminal.shows("\r\n42\r\n> ")
        terminal.type("_ + 1, 'text'\n")
        terminal.shows('\r\n43\r\n"text"\r\n> ')
        terminal.type("\x04")
        status, rest = terminal.ends()
        assert (status, rest) == (0, "\n")


def test_unfinished_statement_asks_for_more():
    with repl() as terminal:
        terminal.shows("> ")
        terminal.type("for i = 1, 2 do\n")
        terminal.shows("... ")
        terminal.type("print('line', i) end\n")
        terminal.shows("line\t1\r\nline\t2\r\n> ")


def test_error_is_told_and_the_next_line_is_read():
    with repl() as terminal:
        terminal.shows("> ")
        terminal.type("error 'boom'\n")
        shown = terminal.shows("> ")
        assert "repl:1: boom" in shown and "in main chunk" in shown and "xpcall" not in shown
        terminal.type("x = = 1\n")
        assert "unexpected symbol near '='" in terminal.shows("> ")
        terminal.type("1\n")
        terminal.shows("\r\n1\r\n> ")


def test_what_waits_blocks_and_globals_stay():
    with repl() as terminal:
        terminal.shows("> ")
        terminal.type("text = ocm.pipe(ocm.bytes 'abc', ocm.string()).string\n")
        terminal.shows("\r\n> ")
        terminal.type("text, cjson ~= nil, lfs ~= nil\n")
        terminal.shows('"abc"\r\ntrue\r\ntrue\r\n> ')


def test_interrupt_ends_it_in_the_middle_of_a_loop():
    with repl() as terminal:
        terminal.shows("> ")
        terminal.type("print 'busy' while true do end\n")
        terminal.shows("\r\nbusy")
        terminal.type("\x03")
        assert terminal.ends()[0] == 130


# ---- from a pipe ----

def test_lines_from_a_pipe_get_no_prompt(folder):
    done = piped(folder, "1 + 1\n\nlocal gone = 1\ngone\nprint 'said'\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\nnil\nsaid\n", "")


def test_tables_are_written_out_and_others_named(folder):
    done = piped(folder, '{ b = { 1, ocm.json.null }, a = {} }\nsetmetatable({}, { __tostring = function() return "mine" end })\n{ print }\n"a\\nb"\n')
    lines = done.stdout.splitlines()
    assert lines[:8] == ["{", '  "a": {},', '  "b": [', "    1,", "    null", "  ]", "}", "mine"]
    assert lines[8].startswith("table: 0x") and lines[9:] == ['"a\\', 'b"']


def test_value_without_a_text_does_not_end_it(folder):
    done = piped(folder, "setmetatable({}, { __tostring = function() error 'x' end })\n'next'\n")
    assert done.stdout.startswith("(a value that has no text: ") and done.stdout.endswith('\n"next"\n')


def test_statement_that_never_ends_is_told(folder):
    done = piped(folder, "print(\n")
    assert done.stdout == "" and "repl:2: unexpected symbol near <eof>" in done.stderr


def test_exit_status_is_the_scripts(folder):
    assert piped(folder, "os.exit(4)\n").returncode == 4


# ---- with a plugin ----

PLUGIN = '''local ocm = require "ocm"
local greet = require "greet"
return ocm.plugin {
  inputRepository = {
    types = { "T/v1" },
    ProcessResource = function(request) return { resource = request.resource, location = ocm.tempfile():write(greet(request.resource.name)) } end,
  },
}
'''


def test_handlers_can_be_called(folder):
    (folder / "plugin").write_text(PLUGIN)
    (folder / "greet.lua").write_text('return function(name) return "hello " .. name end')
    done = piped(folder, 'answer = plugin.inputRepository.ProcessResource { resource = { name = "x" } }\n'
                         'answer.resource\nio.open(answer.location:path()):read "a"\n', "plugin")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{\n  "name": "x"\n}\n"hello x"\n'


def test_wrong_declaration_is_told_and_can_be_looked_at(folder):
    (folder / "plugin.lua").write_text('local ocm = require "ocm"\nreturn ocm.plugin { inputRepositry = {} }')
    done = piped(folder, "plugin\n", "plugin.lua")
    assert done.returncode == 0 and 'plugin.lua:2: unknown capability "inputRepositry"' in done.stderr
    assert "inputRepositry" in done.stdout


def test_plugin_that_cannot_be_loaded_is_an_error(folder):
    (folder / "plugin.lua").write_text("x = = 1")
    done = piped(folder, "", "plugin.lua")
    assert (done.returncode, done.stderr) == (1, "ocmlua repl: plugin.lua:1: unexpected symbol near '='\n")
    assert piped(folder, "", "gone").stderr == "ocmlua repl: there is no gone\n"
