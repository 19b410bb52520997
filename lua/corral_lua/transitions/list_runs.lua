-- list_runs: a page of runs, newest first. Reads only, and looks at a bounded number of
-- runs, so a page of a filtered listing may be short.
-- KEYS  root
-- ARGV  hub, filter, limit, score, run   filter: JSON, '' for all; the last two: where the
--       page before ended, '' for the first
-- GIVES per run: id, fields as a flat list; then score and run to go on from, '' at the end
-- AGAIN reads again

local WALK = 1000

-- How many runs stand before the page: by the rank of the run at which the page before
-- ended, or by its score alone when it has left the index since.
local function start_of(key, score, run)
  if run == '' then return 0, false end
  local rank = call('ZREVRANK', key, run)
  if rank and call('ZSCORE', key, run) == score then return rank + 1, false end
  return call('ZCOUNT', key, '(' .. score, '+inf'), true
end

function transitions.list_runs(u, argv)
  local filter = filters.read(argv[2])
  local statuses = filter and filter.statuses
  local failed = statuses and #statuses == 1 and statuses[1] == 'failed'
  local index = keys.at(u, failed and 'runs:failed' or 'runs')
  local limit, out = tonumber(argv[3]), {}
  local start, skipping = start_of(index, argv[4], argv[5])
  local page = call('ZRANGE', index, start, start + WALK - 1, 'REV', 'WITHSCORES')
  for i = 1, #page, 2 do
    local id, score = page[i], page[i + 1]
    if skipping and score == argv[4] and id >= argv[5] then
      -- Seen by the page before.
    else
      local fields = call('HGETALL', keys.run(u, id))
      if #fields > 0 and filters.run(u, filter, unit.complete(as_table(fields))) then
        out[#out + 1] = { id, fields }
      end
    end
    if #out >= limit or i + 1 == WALK * 2 then return out, { score, id } end
  end
  return out, { '', '' }
end
