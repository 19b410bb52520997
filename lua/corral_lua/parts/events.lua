-- events: what happened to a run, numbered from 1.
-- Status events and the terminal one are always kept; what handlers emit is bounded
-- and refused beyond the bound, never trimmed silently.

-- Most runs begin by being pending. That event is not kept as long as it is the only one, as
-- the run says all of it, and there may be millions that wait.
function events.first(submitted)
  return '{"number":1,"type":"status.pending","time_ms":' .. submitted .. ',"attempt":0,"payload":null}'
end

local function keep(u, r, number, json)
  local pending = u.events[r.id]
  if not pending then pending = {}; u.events[r.id] = pending end
  -- A run that began delayed has been given a time, and has its first event kept.
  if number == '2' and r.due == nil then pending[1] = events.first(r.submitted) end
  pending[#pending + 1] = json
end

-- Appends an event. `payload` is JSON text and may be ''; `fence` is given for what a handler
-- said, so that the events of an attempt that was lost can be told apart.
function events.add(u, r, kind, payload, fence)
  local number = text(tonumber(r.events or 0) + 1)
  r.events, r.told = number, true
  local body = payload ~= '' and payload or 'null'
  local json = '{"number":' .. number .. ',"type":"' .. kind .. '","time_ms":' .. u.now_text
    .. ',"attempt":' .. (r.attempt or '0') .. (fence and ',"fence":"' .. fence .. '"' or '')
    .. ',"payload":' .. body .. '}'
  if number ~= '1' or kind ~= 'status.pending' then keep(u, r, number, json) end
  u.feed[#u.feed + 1] = '{"run":"' .. r.id .. '","workflow":"' .. r.workflow .. '"' .. filters.about(u, r)
    .. ',"event":' .. json .. '}'
  u.hints[r.id] = number
end

local ENTRIES_PER_CUT, CUT_TO = 32, 63 / 64
local shorten

function events.status(u, r, status, payload)
  r.status = status
  events.add(u, r, 'status.' .. status, payload or '')
end

-- True when the handler may still add one.
function events.allowed(r)
  return tonumber(r.events or 0) < EVENTS_PER_RUN
end

-- An entry has the events of one call, which may be one or hundreds, so the feed is bounded
-- in bytes too. Cuts a little more than it must, as each cut reads what it cuts; the latest
-- entry stays whatever its size.
function shorten(u, feed, length, newest)
  local bytes = u.meta.feed_bytes
  if bytes <= FEED_BYTES and length <= FEED_ENTRIES then return end
  local fewest, least = FEED_ENTRIES * CUT_TO, FEED_BYTES * CUT_TO
  while length > 1 and (bytes > least or length > fewest) do
    for _, entry in ipairs(call('XRANGE', feed, '-', '+', 'COUNT', ENTRIES_PER_CUT)) do
      if length == 1 or bytes <= least and length <= fewest then break end
      bytes, length = bytes - #entry[2][2], length - 1
    end
    call('XTRIM', feed, 'MAXLEN', length)
  end
  -- The count says too much when somebody has deleted entries by hand.
  u.meta.feed_bytes = length > 1 and bytes or newest
end

function events.close(u)
  if #u.feed == 0 then return end
  for id, list in pairs(u.events) do call('RPUSH', keys.events(u, id), unpack(list)) end
  -- The brackets go to the ends first: an entry may be large, and each step copies it.
  u.feed[1] = '[' .. u.feed[1]
  u.feed[#u.feed] = u.feed[#u.feed] .. ']'
  local feed, entry = keys.at(u, 'feed'), concat(u.feed, ',')
  call('XADD', feed, '*', 'events', entry)
  u.meta.feed_bytes = u.feed_bytes + #entry
  shorten(u, feed, call('XLEN', feed), #entry)
  local words = {}
  for id, number in pairs(u.hints) do words[#words + 1] = id .. ' ' .. number end
  pcall_redis('PUBLISH', u.root .. 'events', concat(words, '\n'))
end
