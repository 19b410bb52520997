-- queues: what waits, by kind, band and class. Reads only. A page has kinds by name; of one
-- with many classes it has a part, and the next page goes on with it. Stops after 256 rows;
-- the last step may bring some more.
-- KEYS  root
-- ARGV  hub, kind ('' all), limit, after, step   limit: kinds of a page; the last two: where
--       the page before ended, '' and '0' for the first
-- GIVES per class and band: kind, band, class, class JSON, waiting, flows, deficit, when the
--       oldest was accepted, 1 for one that a live pool fits; then per kind: name, waiting, 1
--       when paused; then kind and step to go on from, '' at the end, and now
-- AGAIN reads again

-- Kinds with the most waiting runs, of which pages are made; flows whose first runs are
-- looked at for the oldest one; fields of one step through a kind's counts.
local KINDS, FLOWS_LOOKED_AT, FIELDS = 10000, 4, 64

-- When the oldest of the first flows' first runs was accepted, 0 when none is found. A run
-- with a better priority stands before older ones, so it is near the truth, and cheap.
local function oldest(u, class, band)
  local found = 0
  for _, flow in ipairs(call('ZRANGE', keys.flows(u, class, band), 0, FLOWS_LOOKED_AT - 1)) do
    local first = call('ZRANGE', keys.flow(u, class, band, flow), 0, 0)[1]
    local at = first and tonumber(call('HGET', keys.run(u, first), 'submitted') or '0') or 0
    if at > 0 and (found == 0 or at < found) then found = at end
  end
  return text(found)
end

local function row(u, kind, field, waiting)
  local class, band = split2(field)
  return {
    kind, band, class, call('GET', keys.class(u, class)) or '{}', waiting,
    text(call('ZCARD', keys.flows(u, class, band))),
    call('HGET', keys.wfq(u, kind), band) or '0', oldest(u, class, band),
    text(call('EXISTS', keys.fits(u, class))),
  }
end

local function names(u, kind, after)
  if kind ~= '' then return call('ZSCORE', keys.at(u, 'kinds'), kind) and { kind } or {} end
  local out = {}
  for _, name in ipairs(call('ZRANGE', keys.at(u, 'kinds'), 0, KINDS - 1, 'REV')) do
    if name >= after then out[#out + 1] = name end
  end
  table.sort(out)
  return out
end

function transitions.queues(u, argv)
  local limit, after, step = tonumber(argv[3]), argv[4], argv[5]
  local rows, kinds = {}, {}
  local function page(kind, from) return rows, { kinds, { kind, from, u.now_text } } end
  for _, kind in ipairs(names(u, argv[2], after)) do
    if #kinds >= limit then return page(kind, '0') end
    local waiting, from = call('ZSCORE', keys.at(u, 'kinds'), kind), kind == after and step or '0'
    kinds[#kinds + 1] = { kind, waiting, unit.paused(u, kind) and '1' or '0' }
    repeat
      if #rows >= ITEMS_PER_CALL then return page(kind, from) end
      local found = call('HSCAN', keys.queue(u, kind), from, 'COUNT', FIELDS)
      from = found[1]
      for i = 1, #found[2], 2 do rows[#rows + 1] = row(u, kind, found[2][i], found[2][i + 1]) end
    until from == '0'
  end
  return page('', '')
end
