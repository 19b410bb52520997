-- repair: one step of building a namespace's indexes again from its runs and its sessions.
-- From the first step to the last, or until 10 s after the latest, every other transition
-- that would change something is refused; those that read go on.
-- KEYS  root
-- ARGV  hub, token, step, items...   each: a, b, c, d   token: of one repair
--       step: begin | runs (a id) | sessions (a id) | pools (a id, b model or '')
--       | classes (a id, b kind, c JSON or '', d live runs) | flows (a class, b band, c flow,
--       d rank) | waits (a kind, b band, c flow or '', d classes) | lines (a class, b kind)
--       | kinds (a name) | prune (a index, b rank) | totals (a name, b count) | finish
-- GIVES ok | busy (another repair goes on) | lapsed (begin again) | too_many; then what the
--       step gives: see parts/repair, parts/pruning and parts/relining
-- AGAIN makes again what is made already

local STRIDE = 4

local STEPS = {
  begin = function() return {} end,
  finish = function(u)
    repair.finish(u)
    return {}
  end,
  runs = function(u, items) return repair.runs(u, items) end,
  sessions = function(u, items) return repair.sessions(u, items) end,
  pools = function(u, items) return pruning.pools(u, items) end,
  prune = function(u, items) return pruning.indexes(u, items) end,
  totals = function(u, items) return repair.totals(u, items) end,
  classes = function(u, items) return relining.classes(u, items) end,
  flows = function(u, items) return relining.flows(u, items) end,
  waits = function(u, items) return relining.waits(u, items) end,
  lines = function(u, items) return relining.lines(u, items) end,
  kinds = function(u, items) return relining.kinds(u, items) end,
}

function transitions.repair(u, argv)
  local token, step, holder = argv[2], argv[3], repair.holder(u)
  if holder and holder ~= token then return { 'busy' } end
  if not holder and step ~= 'begin' then return { 'lapsed' } end
  if (#argv - 3) / STRIDE > ITEMS_PER_CALL then return { 'too_many' } end
  local items = {}
  for i = 4, #argv, STRIDE do items[#items + 1] = { argv[i], argv[i + 1], argv[i + 2], argv[i + 3] } end
  repair.freeze(u, token)
  local found, more = STEPS[step](u, items)
  return { 'ok' }, { found, more or {} }
end
