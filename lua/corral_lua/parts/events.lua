-- events: what happened to a run, numbered from 1.
-- Status events and the terminal one are always kept; what handlers emit is bounded
-- and refused beyond the bound, never trimmed silently.

-- Appends an event. `payload` is JSON text and may be ''.
function events.add(u, r, kind, payload)
  local number = tonumber(r.events or 0) + 1
  unit.set(r, 'events', number)
  local body = payload ~= '' and payload or 'null'
  local json = '{"number":' .. number .. ',"type":"' .. kind .. '","time_ms":' .. text(u.now)
    .. ',"attempt":' .. (r.attempt or '0') .. ',"payload":' .. body .. '}'
  local pending = u.events[r.id]
  if not pending then pending = {}; u.events[r.id] = pending end
  pending[#pending + 1] = json
  u.feed[#u.feed + 1] = '{"run":"' .. r.id .. '","workflow":"' .. (r.workflow or '') .. '","event":' .. json .. '}'
  u.hints[r.id] = number
end

function events.status(u, r, status, payload)
  unit.set(r, 'status', status)
  events.add(u, r, 'status.' .. status, payload or '')
end

-- True when the handler may still add one.
function events.allowed(r)
  return tonumber(r.events or 0) < EVENTS_PER_RUN
end

function events.close(u)
  if #u.feed == 0 then return end
  for id, list in pairs(u.events) do call('RPUSH', keys.events(u, id), unpack(list)) end
  call('XADD', keys.at(u, 'feed'), 'MAXLEN', '~', FEED_ENTRIES, '*',
    'events', '[' .. concat(u.feed, ',') .. ']')
  local words = {}
  for id, number in pairs(u.hints) do words[#words + 1] = id .. ' ' .. number end
  pcall_redis('PUBLISH', u.root .. 'events', concat(words, '\n'))
end
