-- list_inputs: open questions, oldest first. Reads only; a page looks at a bounded number.
-- KEYS  root
-- ARGV  hub, run ('' all), limit, score, entry   the last two: where the page before ended,
--       '' for the first
-- GIVES per question: run, id, what was asked as JSON, when, when it lapses (0 never),
--       workflow, status; then score and entry to go on from, '' at the end
-- AGAIN reads again

-- Questions of one millisecond that are looked at one by one.
local SAME_TIME = 1000

local function row(u, member, asked)
  local run, request = split2(member)
  local r = unit.run(u, run)
  local json = call('HGET', keys.inputs(u, run), request)
  if not json or not r then return nil end
  local due = call('ZSCORE', keys.due(u, 'questions'), member) or '0'
  return { run, request, json, asked, due, r.workflow, r.status }
end

-- How many stand before the page: by the rank of the entry at which the page before ended,
-- or by where it stood when it has been answered since.
local function start_of(key, score, member)
  if member == '' then return 0 end
  local rank = call('ZRANK', key, member)
  if rank then return rank + 1 end
  local before = call('ZCOUNT', key, '-inf', '(' .. score)
  for _, other in ipairs(call('ZRANGE', key, score, score, 'BYSCORE', 'LIMIT', 0, SAME_TIME)) do
    if other < member then before = before + 1 end
  end
  return before
end

function transitions.list_inputs(u, argv)
  local key, out, limit = keys.at(u, 'questions'), {}, tonumber(argv[3])
  if argv[2] ~= '' then
    for _, field in ipairs(call('HKEYS', keys.inputs(u, argv[2]))) do
      local member = argv[2] .. ' ' .. field
      local asked = not find(field, ' ', 1, true) and call('ZSCORE', key, member)
      if asked then out[#out + 1] = row(u, member, asked) end
    end
    table.sort(out, function(a, b) return tonumber(a[4]) < tonumber(b[4]) end)
    return out, { '', '' }
  end
  local start = start_of(key, argv[4], argv[5])
  local page = call('ZRANGE', key, start, start + limit - 1, 'WITHSCORES')
  for i = 1, #page, 2 do out[#out + 1] = row(u, page[i], page[i + 1]) end
  if #page < 2 * limit then return out, { '', '' } end
  return out, { page[#page], page[#page - 1] }
end
