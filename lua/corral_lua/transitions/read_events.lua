-- read_events: a part of a run's events, in order. Reads only, and gives no more than some
-- hundred KB, or one event: slow readers hold what they were given.
-- KEYS  root
-- ARGV  hub, after, limit, runs...   after: number of the last one seen
-- GIVES per run: nothing when unknown, else status, number of the latest, events as JSON;
--       then the epoch
-- AGAIN reads again

-- The first of the events, as many as one reply may have in bytes.
local function some(kept)
  local bytes, out = 0, {}
  for i, json in ipairs(kept) do
    bytes = bytes + #json
    if i > 1 and bytes > BYTES_PER_READ then break end
    out[i] = json
  end
  return out
end

function transitions.read_events(u, argv)
  local out, after, limit = {}, tonumber(argv[2]), tonumber(argv[3])
  for i = 4, #argv do
    local values = call('HMGET', keys.run(u, argv[i]), 'status', 'events', 'submitted')
    if values[1] then
      local kept = call('LRANGE', keys.events(u, argv[i]), after, after + limit - 1)
      if values[2] == '1' and after == 0 and #kept == 0 then kept = { events.first(values[3]) } end
      out[#out + 1] = { values[1], values[2] or '0', some(kept) }
    else
      out[#out + 1] = {}
    end
  end
  return out, { u.epoch }
end
