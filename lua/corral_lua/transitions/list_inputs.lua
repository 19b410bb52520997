-- list_inputs: open questions, oldest first. Reads only; a page looks at a bounded number.
-- KEYS  root
-- ARGV  hub, run ('' all), limit, score, entry   the last two: where the page before ended,
--       '' for the first
-- GIVES per question: run, id, what was asked as JSON, when, when it lapses (0 never),
--       workflow, status; then score and entry to go on from, '' at the end
-- AGAIN reads again

local function row(u, member, asked)
  local run, request = split2(member)
  local fields = call('HMGET', keys.run(u, run), 'workflow', 'status')
  local json = call('HGET', keys.inputs(u, run), request)
  if not json or not fields[1] then return nil end
  local due = call('ZSCORE', keys.due(u, 'questions'), member) or '0'
  return { run, request, json, asked, due, fields[1], fields[2] }
end

-- How many stand before the page: by the rank of the entry at which the page before ended,
-- or by its score when it has been answered since.
local function start_of(key, score, member)
  if member == '' then return 0 end
  local rank = call('ZRANK', key, member)
  return rank and rank + 1 or call('ZCOUNT', key, '-inf', '(' .. score)
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
