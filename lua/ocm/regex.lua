--- The regular expressions of JSON Schemas: what ECMA-262 and Go's regexp, which the plugin manager uses, have in common.
--
-- regex(pattern) gives a function (text) -> boolean that looks for a match anywhere in the text, or nil, why, whether the manager refuses it, too.
-- Works on code points. A node of the pattern is a function (i, continue) -> boolean: it tries to match at the i-th one, and calls
-- continue(j) for each way to go on. More than `patience` steps raise "too many steps": what backtracks for ever is Go's strength, not ours.

local patience <const> = 1000000

local classes = {
  d = { { 48, 57 } },
  w = { { 48, 57 }, { 65, 90 }, { 95, 95 }, { 97, 122 } },
  s = { { 9, 10 }, { 12, 13 }, { 32, 32 } },
}
local controls = { t = 9, n = 10, v = 11, f = 12, r = 13 }

local function refuse(format, ...) error({ text = format:format(...), manager = true }, 0) end
local function leave(format, ...) error({ text = format:format(...) }, 0) end

local function is_in(ranges, c)
  for _, range in ipairs(ranges) do
    if c >= range[1] and c <= range[2] then return true end
  end
  return false
end

local Parser = {}
Parser.__index = Parser

function Parser:peek(text) return self.source:sub(self.at, self.at + #text - 1) == text end

function Parser:take(text)
  if not self:peek(text) then return false end
  self.at = self.at + #text
  return true
end

function Parser:point()
  local c = utf8.codepoint(self.source, self.at)
  self.at = utf8.offset(self.source, 2, self.at)
  return c
end

--- Behind a backslash: a code point, or the ranges of a class and whether they are the others.
function Parser:escape()
  if self.at > #self.source then refuse "it ends with a backslash" end
  local c = self.source:sub(self.at, self.at)
  local class = classes[c:lower()]
  if class then
    self.at = self.at + 1
    return nil, class, c:find "%u" ~= nil
  end
  if controls[c] then
    self.at = self.at + 1
    return controls[c]
  end
  local hex = self.source:match("^x(%x%x)", self.at) or self.source:match("^x{(%x+)}", self.at)
  if hex then
    self.at = self.at + (self.source:match("^x{%x+}", self.at) or "x00"):len()
    return tonumber(hex, 16)
  end
  if c:find "[1-9]" then refuse("it refers back to a group (\\%s), which Go's regular expressions cannot", c) end
  if c:find "%w" then leave("\\%s is not looked at here", c) end
  return self:point()
end

function Parser:set()
  local ranges, negated = {}, self:take "^"
  local first = true
  while first or not self:peek "]" do
    first = false
    if self.at > #self.source then refuse "a [ has no ]" end
    if self:peek "[:" then leave "[:name:] is not looked at here" end
    local low, class, others
    if self:take "\\" then
      if self:take "b" then low = 8 else low, class, others = self:escape() end
    else
      low = self:point()
    end
    if class then
      if others then leave "a negated class within [] is not looked at here" end
      table.move(class, 1, #class, #ranges + 1, ranges)
    else
      local high = low
      if self:peek "-" and not self:peek "-]" then
        self.at = self.at + 1
        high = self:take "\\" and (self:escape() or refuse "a range ends with a class") or self:point()
        if high < low then refuse "a range within [] runs backwards" end
      end
      ranges[#ranges + 1] = { low, high }
    end
  end
  self.at = self.at + 1
  return function(c) return is_in(ranges, c) ~= negated end
end

--- A node that matches one code point.
local function one(state, test)
  return { single = test, match = function(i, continue)
    local c = state.points[i]
    return c ~= nil and test(c) and continue(i + 1)
  end }
end

local function word_at(state, i)
  local c = state.points[i]
  return c ~= nil and is_in(classes.w, c)
end

local function assertion(holds)
  return { match = function(i, continue) return holds(i) and continue(i) end }
end

function Parser:atom()
  local state = self.state
  if self:take "(" then
    if self:peek "?=" or self:peek "?!" or self:peek "?<=" or self:peek "?<!" then refuse "it looks ahead or behind, which Go's regular expressions cannot" end
    if self:peek "?P<" or self:peek "?<" then
      self.at = (self.source:find(">", self.at, true) or refuse "a group's name has no end") + 1
    elseif not self:take "?:" and self:peek "?" then
      leave "flags are not looked at here"
    end
    local inner = self:alternatives()
    if not self:take ")" then refuse "a ( has no )" end
    return inner
  end
  if self:take "[" then return one(state, self:set()) end
  if self:take "." then return one(state, function(c) return c ~= 10 end) end
  if self:take "^" then return assertion(function(i) return i == 1 end) end
  if self:take "$" then return assertion(function(i) return i == #state.points + 1 end) end
  if self:peek "\\b" or self:peek "\\B" then
    local wanted = self:peek "\\b"
    self.at = self.at + 2
    return assertion(function(i) return (word_at(state, i - 1) ~= word_at(state, i)) == wanted end)
  end
  if self:take "\\" then
    local c, class, others = self:escape()
    if class then return one(state, function(p) return is_in(class, p) ~= others end) end
    return one(state, function(p) return p == c end)
  end
  if self.source:find("^[*+?]", self.at) then refuse("nothing stands before %s", self.source:sub(self.at, self.at)) end
  local c = self:point()
  return one(state, function(p) return p == c end)
end

local function repeated(state, node, least, most, lazy)
  local function attempt(i, count, continue)
    state.steps = state.steps + 1
    if state.steps > patience then error("too many steps", 0) end
    local function again()
      return count < most and node.match(i, function(j)
        return (j > i or count < least) and attempt(j, count + 1, continue)
      end)
    end
    if count < least then return again() end
    if lazy then return continue(i) or again() end
    return again() or continue(i)
  end
  if node.single and not lazy then -- without a call for each code point
    return { match = function(i, continue)
      local j = i
      while j - i < most and state.points[j] and node.single(state.points[j]) do j = j + 1 end
      for last = j, i + least, -1 do
        state.steps = state.steps + 1
        if state.steps > patience then error("too many steps", 0) end
        if continue(last) then return true end
      end
      return false
    end }
  end
  return { match = function(i, continue) return attempt(i, 0, continue) end }
end

function Parser:quantified()
  local node = self:atom()
  local least, most
  if self:take "*" then least, most = 0, math.huge
  elseif self:take "+" then least, most = 1, math.huge
  elseif self:take "?" then least, most = 0, 1
  else
    local text, low, comma, high = self.source:match("^({(%d+)(,?)(%d*)})", self.at)
    if not text then return node end
    self.at = self.at + #text
    least = tonumber(low)
    most = comma == "" and least or tonumber(high) or math.huge
    if least > 1000 or (most > 1000 and most ~= math.huge) or most < least then refuse("%s: Go's regular expressions repeat up to 1000 times, least first", text) end
  end
  local lazy = self:take "?"
  if self.source:find("^[*+]", self.at) then refuse "one repetition follows another" end
  return repeated(self.state, node, least, most, lazy)
end

function Parser:sequence()
  local nodes = {}
  while self.at <= #self.source and not self:peek "|" and not self:peek ")" do nodes[#nodes + 1] = self:quantified() end
  if #nodes == 1 then return nodes[1] end
  return { match = function(i, continue)
    local function from(n, at)
      if not nodes[n] then return continue(at) end
      return nodes[n].match(at, function(j) return from(n + 1, j) end)
    end
    return from(1, i)
  end }
end

function Parser:alternatives()
  local list = { self:sequence() }
  while self:take "|" do list[#list + 1] = self:sequence() end
  if #list == 1 then return list[1] end
  return { match = function(i, continue)
    for _, node in ipairs(list) do
      if node.match(i, continue) then return true end
    end
    return false
  end }
end

return function(pattern)
  if not utf8.len(pattern) then return nil, "it is not UTF-8", true end
  local state = { points = {}, steps = 0 }
  local parser = setmetatable({ source = pattern, at = 1, state = state }, Parser)
  local ok, node = pcall(function()
    local all = parser:alternatives()
    if parser.at <= #pattern then refuse "a ) has no (" end
    return all
  end)
  if not ok then
    if type(node) ~= "table" then error(node, 0) end
    return nil, node.text, node.manager or false
  end
  return function(text)
    state.points, state.steps = {}, 0
    for _, c in utf8.codes(text) do state.points[#state.points + 1] = c end
    for i = 1, #state.points + 1 do
      if node.match(i, function() return true end) then return true end
    end
    return false
  end
end
