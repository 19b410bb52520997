-- events: what happened to a run, numbered from 1.
-- Status events and the terminal one are always kept; what handlers emit is bounded
-- and refused beyond the bound, never trimmed silently.

-- The ordinary course of a run: it is accepted, given to a session, and completed there. As long
-- as nothing else happens to it, its own fields say all of it, and no list is kept; `events`, how
-- many the list has, is not there either.
local COURSE = { pending = 1, running = 2, completed = 3 }

-- How many events a run has.
function events.count(r)
  return tonumber(r.events or COURSE[r.status] or 0)
end

local function json_of(number, kind, time_ms, attempt_, fence, payload)
  return '{"number":' .. number .. ',"type":"' .. kind .. '","time_ms":' .. time_ms
    .. ',"attempt":' .. attempt_ .. (fence and ',"fence":"' .. fence .. '"' or '')
    .. ',"payload":' .. payload .. '}'
end

local function of_course(r, number)
  if number == 1 then return json_of('1', 'status.pending', r.submitted, '0', nil, 'null') end
  if number == 2 then
    return json_of('2', 'status.running', r.started, '1', nil, attempt.given(r.fence, r.worker, r.hub))
  end
  return json_of('3', 'status.completed', r.ended, '1', nil, 'null')
end

-- Events of a run of which no list is kept.
local function course(r, first, last)
  local out = {}
  for number = first, last do out[#out + 1] = of_course(r, number) end
  return out
end

-- Up to `limit` events behind the number `after`.
function events.read(u, r, after, limit)
  if r.events then return call('LRANGE', keys.events(u, r.id), after, after + limit - 1) end
  return course(r, after + 1, min(after + limit, events.count(r)))
end

-- From here on there is a list, with what has happened so far. Must come before the fields that
-- say it are changed.
function events.keep(u, r)
  if r.events then return end
  local count = events.count(r)
  r.events, r.told, u.events[r.id] = text(count), true, course(r, 1, count)
end

-- The place of what is said of the run beside its events, in the entry of this call.
local function about(u, r)
  local said = '{"workflow":"' .. r.workflow .. '"' .. filters.about(u, r) .. '}'
  local place_ = u.place_of[said]
  if not place_ then
    place_ = text(#u.abouts)
    u.abouts[#u.abouts + 1], u.place_of[said] = said, place_
  end
  return place_
end

-- Appends an event. `payload` is JSON text and may be ''; `fence` is given for what a handler
-- said, so that the events of an attempt that was lost can be told apart.
function events.add(u, r, kind, payload, fence)
  events.keep(u, r)
  local number = text(tonumber(r.events) + 1)
  local json = json_of(number, kind, u.now_text, r.attempt or '0', fence, payload ~= '' and payload or 'null')
  local list = u.events[r.id]
  if not list then list = {}; u.events[r.id] = list end
  r.events, r.told, list[#list + 1] = number, true, json
  u.feed[#u.feed + 1] = '["' .. r.id .. '",' .. about(u, r) .. ',0,0,' .. json .. ']'
  u.hints[r.id] = number
end

function events.status(u, r, status, payload)
  local number = COURSE[status]
  if number and not r.events and number == events.count(r) + 1 then
    r.status, r.told = status, true
    if not r.since then r.since, u.feed[#u.feed + 1] = number, r end
    r.till, u.hints[r.id] = number, text(number)
    return
  end
  events.keep(u, r)
  r.status = status
  -- Who was given the run is built here alone, as the ordinary course says it by itself.
  if not payload and status == 'running' then payload = attempt.given(r.fence, r.worker, r.hub) end
  events.add(u, r, 'status.' .. status, payload or '')
end

local ENTRIES_PER_CUT, CUT_TO = 32, 63 / 64

-- True when the handler may still add one.
function events.allowed(r)
  return events.count(r) < EVENTS_PER_RUN
end

-- What an entry counts for: it may have the events of one call or of hundreds, so the feed is
-- bounded in bytes, and in entries as each counts for some.
local function weight(entry) return max(#entry, FEED_ENTRY_BYTES) end

-- Cuts a little more than it must, as each cut reads what it cuts; the latest entry stays whatever
-- its size.
local function shorten(u, feed, newest)
  local bytes = u.meta.feed_bytes
  if bytes <= FEED_BYTES then return end
  local length, least = call('XLEN', feed), FEED_BYTES * CUT_TO
  while length > 1 and bytes > least do
    for _, entry in ipairs(call('XRANGE', feed, '-', '+', 'COUNT', ENTRIES_PER_CUT)) do
      if length == 1 or bytes <= least then break end
      bytes, length = bytes - weight(entry[2][2]), length - 1
    end
    call('XTRIM', feed, 'MAXLEN', length)
  end
  -- The count says too much when somebody has deleted entries by hand.
  u.meta.feed_bytes = length > 1 and bytes or weight(newest)
end

-- True when what `about` says of two runs is the same, at a glance.
local function alike(r, before)
  return before and r.session == before.session and r.kind == before.kind and not r.labels
    and not before.labels and r.workflow == before.workflow and r.worker == before.worker
end

-- Events of the ordinary course as the feed has them; who reads it knows the rest from the entry.
local function told(u, r, before)
  r.about = alike(r, before) and before.about or about(u, r)
  local given = r.since <= 2 and r.till >= 2 and ',["' .. r.fence .. '","' .. r.hub .. '"]' or ''
  return '["' .. r.id .. '",' .. r.about .. ',' .. text(r.since) .. ',' .. text(r.till) .. given .. ']'
end

function events.close(u)
  local list = u.feed
  if #list == 0 then return end
  for id, kept in pairs(u.events) do call('RPUSH', keys.events(u, id), unpack(kept)) end
  local before
  for i, one in ipairs(list) do
    if type(one) == 'table' then list[i], before = told(u, one, before), one end
  end
  -- What goes around them goes to the ends first: an entry may be large, and each step copies it.
  list[1] = '{"now":' .. u.now_text .. ',"about":[' .. concat(u.abouts, ',') .. '],"events":[' .. list[1]
  list[#list] = list[#list] .. ']}'
  local feed, entry = keys.at(u, 'feed'), concat(list, ',')
  call('XADD', feed, '*', 'events', entry)
  u.meta.feed_bytes = u.feed_bytes + weight(entry)
  shorten(u, feed, entry)
  local words = {}
  for id, number in pairs(u.hints) do words[#words + 1] = id .. ' ' .. number end
  pcall_redis('PUBLISH', u.root .. 'events', concat(words, '\n'))
end
