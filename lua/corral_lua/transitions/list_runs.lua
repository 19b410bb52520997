-- list_runs: a page of runs, newest first. Reads only, and looks at a bounded number of
-- runs, so a page of a filtered listing may be short.
-- KEYS  root
-- ARGV  hub, statuses (comma separated, '' all), workflow, limit, score, run   the last
--       two: where the page before ended, '' for the first
-- GIVES per run: id, fields as a flat list; then score and run to go on from, '' at the end
-- AGAIN reads again

local WALK = 1000

function transitions.list_runs(u, argv)
  local wanted = {}
  for status in gmatch(argv[2], '[^,]+') do wanted[status] = true end
  local index = argv[2] == 'failed' and 'runs:failed' or 'runs'
  local limit, top = tonumber(argv[4]), argv[5] ~= '' and argv[5] or '+inf'
  local out, looked, skipping = {}, 0, argv[6] ~= ''
  local page = call('ZRANGE', keys.at(u, index), top, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0,
    WALK + 1, 'WITHSCORES')
  for i = 1, #page, 2 do
    local id, score = page[i], page[i + 1]
    if skipping and score == argv[5] and id >= argv[6] then
      -- Seen by the page before.
    else
      skipping = false
      local fields = call('HGETALL', keys.run(u, id))
      local run = as_table(fields)
      if (argv[2] == '' or wanted[run.status]) and (argv[3] == '' or run.workflow == argv[3]) then
        out[#out + 1] = { id, fields }
      end
      looked = looked + 1
      if #out >= limit or looked >= WALK then
        return out, i + 1 < #page and { score, id } or { '', '' }
      end
    end
  end
  return out, { '', '' }
end
