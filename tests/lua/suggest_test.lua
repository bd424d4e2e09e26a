-- ocm.suggest: what somebody meant, or what there is.
-- luacheck: globals TestSuggest
local unit = require "luaunit"
local suggest = require "ocm.suggest"

local function of(word) return suggest(word, { "inputRepository", "resourceRepository", "componentLister", "start", "cleanup", "limits" }) end

local function meant(word) return of(word):match '^, did you mean "(.+)"%?$' end

TestSuggest = {}

function TestSuggest.test_a_slip_is_seen()
  for word, expected in pairs {
    inputrepository = "inputRepository", inputRepositry = "inputRepository", inputReposiotry = "inputRepository", InputRepository = "inputRepository",
    input = "inputRepository", inputRepositories = "inputRepository", resourcerepo = "resourceRepository", lister = nil, componentList = "componentLister",
    strat = "start", Start = "start", cleanUp = "cleanup", clean_up = "cleanup", limit = "limits",
  } do
    unit.assertEquals(meant(word), expected, word)
  end
end

function TestSuggest.test_else_it_says_what_there_is()
  for _, word in ipairs { "", "x", "xy", "something", "123" } do
    unit.assertEquals(of(word), ": expected one of cleanup, componentLister, inputRepository, limits, resourceRepository, start", word)
  end
end

function TestSuggest.test_the_nearest_is_meant()
  unit.assertEquals(suggest("schem", { "aliases", "schema", "scheme" }), ', did you mean "schema"?')
  unit.assertEquals(suggest("bodi", { "body", "bode" }), ', did you mean "bode"?') -- of two alike the first by name
end
