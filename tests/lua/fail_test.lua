-- ocm.fail: a status and a text, raised.
-- luacheck: globals TestFail
local unit = require "luaunit"
local ocm = require "ocm"
local fail = require "ocm.fail"

local function raised(...)
  local ok, failure = pcall(ocm.fail, ...)
  unit.assertFalse(ok)
  return failure
end

TestFail = {}

function TestFail.test_a_status_and_a_text()
  for _, case in ipairs {
    { { 404, "no version %s of %s", "1", "a" }, 404, "no version 1 of a" },
    { { 404, "no such thing" }, 404, "no such thing" },
    { { "no such thing" }, 500, "no such thing" },
    { { "no %s", "thing" }, 500, "no thing" },
    { { 500, "%s %s", nil, 1, n = 4 }, 500, "nil 1" },
    { { 400, "100%" }, 400, "100%" }, -- without arguments it is no format
    { { "100%" }, 500, "100%" },
    { { 599, "" }, 599, "" },
    { { 503, "%s", "a", "too many" }, 503, "a" },
  } do
    local failure = raised(table.unpack(case[1], 1, case[1].n or #case[1]))
    unit.assertTrue(fail.is_failure(failure), case[3])
    unit.assertEquals({ failure.status, failure.text, tostring(failure) }, { case[2], case[3], case[3] })
  end
end

function TestFail.test_misuse_is_an_error_of_its_own()
  for _, arguments in ipairs { {}, { 404 }, { 404, {} }, { 200, "fine" }, { 600, "x" }, { 404.5, "x" }, { {}, "x" }, { true } } do
    local text = raised(table.unpack(arguments))
    unit.assertFalse(fail.is_failure(text))
    unit.assertStrContains(text, "ocm.fail: expected a ")
  end
  unit.assertStrContains(raised(404, "%d", "x"), "number expected") -- what string.format says
end

function TestFail.test_nothing_else_is_a_failure()
  for _, value in ipairs { "text", {}, { status = 404, text = "x" }, 404, ocm.json.null } do unit.assertFalse(fail.is_failure(value)) end
end

function TestFail.test_a_bug_is_a_500_that_is_told_apart()
  local ok, failure = pcall(fail.bug, "answer.%s: expected %s", "a", "b")
  unit.assertFalse(ok)
  unit.assertEquals({ failure.status, failure.text, failure.bug }, { 500, "answer.a: expected b", true })
end

function TestFail.test_what_is_tried_returns_or_fails_in_the_name_of_who_is_to_blame()
  unit.assertEquals({ ocm.try("it", function(...) return select("#", ...), ... end, 1, nil, 3) }, { 3, 1, nil, 3 })
  local ok, failure = pcall(ocm.try, "the registry", error, "no answer", 0)
  unit.assertFalse(ok)
  unit.assertEquals({ failure.status, failure.text }, { 502, "the registry: no answer" })
  ok, failure = pcall(ocm.try, "100% it", ocm.digest_of, "/nonexistent")
  unit.assertFalse(ok)
  unit.assertEquals(failure.text, "100% it: digest_of: opening /nonexistent: No such file or directory")
end

function TestFail.test_a_failure_of_what_is_tried_stays_as_it_is()
  local ok, failure = pcall(ocm.try, "it", ocm.fail, 404, "not here")
  unit.assertFalse(ok)
  unit.assertEquals({ failure.status, failure.text }, { 404, "not here" })
end
