-- read_events: a part of a run's events, in order. Reads only.
-- KEYS  root
-- ARGV  hub, after, limit, runs...   after: number of the last one seen
-- GIVES per run: nothing when unknown, else status, number of the latest, events as JSON;
--       then the epoch
-- AGAIN reads again

function transitions.read_events(u, argv)
  local out, after, limit = {}, tonumber(argv[2]), tonumber(argv[3])
  for i = 4, #argv do
    local values = call('HMGET', keys.run(u, argv[i]), 'status', 'events', 'submitted')
    if values[1] then
      local kept = call('LRANGE', keys.events(u, argv[i]), after, after + limit - 1)
      if values[2] == '1' and after == 0 and #kept == 0 then kept = { events.first(values[3]) } end
      out[#out + 1] = { values[1], values[2] or '0', kept }
    else
      out[#out + 1] = {}
    end
  end
  return out, { u.epoch }
end
