--- What is said of an error in a script of the user's: trace(problem) -> its text, and where it happened, up to the script itself.
--
-- As xpcall's message handler. The frames below the script's main chunk are this program's, and say nothing to anybody.

return function(problem)
  local metatable = getmetatable(problem)
  local text
  if type(problem) == "string" or (type(metatable) == "table" and metatable.__tostring) then
    local ok
    ok, text = pcall(tostring, problem)
    if not ok then text = "(an error that has no text)" end
  else
    text = ("(an error that is a %s)"):format(type(problem))
  end
  local trace = debug.traceback("", 2):gsub("^\n", "")
  local upto = select(2, trace:find ".*in main chunk")
  return text .. "\n" .. (upto and trace:sub(1, upto) or trace)
end
