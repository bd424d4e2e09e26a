-- ocm.sleep, ocm.parallel and ocm.work, called where there is no task.
-- luacheck: globals TestSleep TestParallel TestWork
local unit = require "luaunit"
local ocm = require "ocm"
local clock = require "ocm.native.task".clock

TestSleep = {}

function TestSleep.test_it_blocks_for_as_long()
  local before = clock()
  ocm.sleep(0.02)
  unit.assertTrue(clock() - before >= 0.02)
  ocm.sleep(0)
end

function TestSleep.test_misuse_raises()
  for _, value in ipairs { -1, 0 / 0, math.huge, 1e10 } do unit.assertErrorMsgContains("expected seconds, 0 or more", ocm.sleep, value) end
  unit.assertErrorMsgContains("number expected", ocm.sleep)
end

TestParallel = {}

function TestParallel.test_results_come_in_the_order_of_the_functions()
  local a, b, c, d = ocm.parallel(function() ocm.sleep(0.01) return "a", "more" end, function() return nil end, function() return 3 end)
  unit.assertEquals({ a, b, c, d }, { "a", nil, 3, nil })
  unit.assertEquals(select("#", ocm.parallel()), 0)
  unit.assertEquals(select("#", ocm.parallel(function() end, function() end)), 2)
end

function TestParallel.test_the_parts_run_beside_one_another()
  local order = {}
  local function part(name, behind) -- each waits for those that are given later
    return function()
      repeat ocm.sleep(0.001) until #order == behind
      order[#order + 1] = name
    end
  end
  ocm.parallel(part("a", 2), part("b", 1), part("c", 0))
  unit.assertEquals(table.concat(order), "cba")
end

function TestParallel.test_the_first_error_ends_all()
  local closed, value = 0, { "an error object" }
  local before = clock()
  local ok, reason = pcall(ocm.parallel, function()
    local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end }) -- luacheck: ignore
    ocm.sleep(60)
  end, function()
    ocm.sleep(0.01)
    error(value)
  end)
  unit.assertFalse(ok)
  unit.assertIs(reason, value)
  unit.assertEquals(closed, 1)
  unit.assertTrue(clock() - before < 30)
end

function TestParallel.test_within_one_another()
  local function leaf(n) return function() ocm.sleep(0.001) return n end end
  local a, b = ocm.parallel(function() return table.pack(ocm.parallel(leaf(1), leaf(2))) end, leaf(3))
  unit.assertEquals({ a[1], a[2], b }, { 1, 2, 3 })
end

function TestParallel.test_functions_only()
  unit.assertErrorMsgContains("function expected", ocm.parallel, function() end, 5)
end

TestWork = {}

function TestWork.test_it_can_be_ended_in_every_way()
  do local work <close> = ocm.work() end -- luacheck: ignore
  local work = ocm.work()
  work:close()
  work:close()
  ocm.work()
  collectgarbage()
end
