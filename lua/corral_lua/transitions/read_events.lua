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
    local r = unit.run(u, argv[i])
    out[#out + 1] = r and { r.status, text(events.count(r)), some(events.read(u, r, after, limit)) } or {}
  end
  return out, { u.epoch }
end
