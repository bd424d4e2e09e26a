--- Near misses: suggest(word, known) gives `, did you mean "X"?`, or what is known when nothing is near.

--- Levenshtein distance, with a swap of neighbours as one step.
local function distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local after = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local least = math.min(row[j] + 1, after[j - 1] + 1, row[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then least = math.min(least, before[j - 2] + 1) end
      after[j] = least
    end
    before, row = row, after
  end
  return row[#b]
end

return function(word, known)
  table.sort(known)
  local best, nearest = math.min(math.max(2, #word // 3), #word // 2) + 1, nil
  for _, candidate in ipairs(known) do
    local begins = #word >= 3 and candidate:lower():sub(1, #word) == word:lower()
    local far = begins and 0 or distance(word:lower(), candidate:lower())
    if far < best then best, nearest = far, candidate end
  end
  if nearest then return (', did you mean "%s"?'):format(nearest) end
  return ": expected one of " .. table.concat(known, ", ")
end
