-- stats: counters, queues and deficits of the namespace. Reads only.
-- KEYS  root
-- ARGV  hub
-- GIVES totals as a flat list; then per kind: kind, waiting per class and band as a flat
--       list, deficits as a flat list; then epoch, full, sessions, and the live hubs
-- AGAIN reads again

function transitions.stats(u)
  local queues = {}
  for i, kind in ipairs(call('ZRANGE', keys.at(u, 'kinds'), 0, ITEMS_PER_CALL - 1, 'REV')) do
    queues[i] = { kind, call('HGETALL', keys.queue(u, kind)), call('HGETALL', keys.wfq(u, kind)) }
  end
  local hubs = call('ZRANGE', keys.at(u, 'hubs'), text(u.now), '+inf', 'BYSCORE')
  return call('HGETALL', keys.at(u, 'totals')),
    { queues, { u.epoch, u.full and '1' or '0', text(call('ZCARD', keys.due(u, 'leases'))) }, hubs }
end
