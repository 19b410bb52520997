-- list_runs: a page of runs, newest first. Reads only, and looks at a bounded number of
-- runs, so a page of a filtered listing may be short.
-- KEYS  root
-- ARGV  hub, statuses (comma separated, '' all), workflow, limit, score, run   the last
--       two: where the page before ended, '' for the first
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
  local wanted = {}
  for status in gmatch(argv[2], '[^,]+') do wanted[status] = true end
  local index = keys.at(u, argv[2] == 'failed' and 'runs:failed' or 'runs')
  local limit, out = tonumber(argv[4]), {}
  local start, skipping = start_of(index, argv[5], argv[6])
  local page = call('ZRANGE', index, start, start + WALK - 1, 'REV', 'WITHSCORES')
  for i = 1, #page, 2 do
    local id, score = page[i], page[i + 1]
    if skipping and score == argv[5] and id >= argv[6] then
      -- Seen by the page before.
    else
      local fields = call('HGETALL', keys.run(u, id))
      local run = unit.complete(as_table(fields))
      if (argv[2] == '' or wanted[run.status]) and (argv[3] == '' or run.workflow == argv[3]) then
        out[#out + 1] = { id, fields }
      end
    end
    if #out >= limit or i + 1 == WALK * 2 then return out, { score, id } end
  end
  return out, { '', '' }
end
