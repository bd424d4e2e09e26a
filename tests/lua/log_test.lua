-- ocm.log: what a plugin's logger gets, and what it cannot break.
-- luacheck: globals TestLog
local unit = require "luaunit"
local ocm = require "ocm"

local set_logger = getmetatable(ocm.log).set_logger

local seen, real_print

local function collect(level, msg, attributes) seen[#seen + 1] = { level, msg, attributes } end

TestLog = {}

function TestLog.setUp()
  seen, real_print = {}, print
end

function TestLog.tearDown()
  set_logger(nil)
  print = real_print -- luacheck: ignore
end

function TestLog.test_a_logger_gets_level_message_and_attributes()
  set_logger(collect)
  ocm.log.debug "a"
  ocm.log.info("b", { n = 1, t = {} })
  ocm.log.warn(nil)
  ocm.log.error { "not a text" }
  unit.assertEquals({ seen[1], seen[2], seen[3] }, { { "DEBUG", "a", {} }, { "INFO", "b", { n = 1, t = {} } }, { "WARN", "nil", {} } })
  unit.assertStrContains(seen[4][2], "table: ")
end

function TestLog.test_print_goes_there_too()
  set_logger(collect)
  print("a", nil, 1, setmetatable({}, { __tostring = function() return "own" end }))
  unit.assertEquals(seen, { { "INFO", "a\tnil\t1\town", {} } })
end

function TestLog.test_a_logger_that_logs_does_not_call_itself()
  set_logger(function(...)
    collect(...)
    ocm.log.warn "inside"
    print "inside"
  end)
  ocm.log.info "once"
  ocm.log.info "twice"
  unit.assertEquals({ #seen, seen[1][2], seen[2][2] }, { 2, "once", "twice" })
end

function TestLog.test_a_logger_that_fails_is_called_again()
  local calls = 0
  set_logger(function()
    calls = calls + 1
    error "broken"
  end)
  ocm.log.info "a"
  ocm.log.info "b"
  unit.assertEquals(calls, 2)
end

function TestLog.test_misuse_raises()
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    unit.assertErrorMsgContains(("ocm.log.%s: expected a table of attributes behind the message, got string"):format(level), ocm.log[level], "m", "x")
    unit.assertErrorMsgContains(("ocm.log.%s: attributes have names"):format(level), ocm.log[level], "m", { "x" })
  end
end

function TestLog.test_whatever_the_values_are()
  local cycle = {}
  cycle.self = cycle
  ocm.log.info("values", { f = print, c = cycle, nan = 0 / 0, bad = "\xFF", n = ocm.json.null, big = ocm.json.number "1e999", a = ocm.json.array() })
  ocm.log.info "no attributes"
end
