-- enter: a hub comes to a namespace, over a new connection to the store.
-- Creates the namespace, or checks its format; notices a store server that was
-- restarted or replaced, begins a new epoch then, and holds placement back until the
-- hubs have said again what their sessions hold, for 3 s.
-- KEYS  root
-- ARGV  hub, hub_ttl_ms, lease_ms, max_waiting, soft_bytes, per_second, burst
--       per_second: submits that are let through, 0 for all
-- GIVES ok; then format, epoch, now_ms, hold_ms
-- AGAIN the same epoch and the same settings

local HOLD_MS = 3000

local function server_run_id()
  local info = call('INFO', 'server')
  local _, stop = find(info, 'run_id:', 1, true)
  return sub(info, stop + 1, stop + 40)
end

local function create(meta)
  local time = call('TIME')
  local now = text(floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000))
  call('HSET', meta, 'format', FORMAT, 'epoch', '1', 'fence', '0', 'clock', now, 'lease', '0',
    'lease_at', now, 'settle', '0', 'lease_ms', '15000', 'place', '0', 'turn', '0', 'full', '0',
    'created', now, 'server', server_run_id())
end

function transitions.enter(root, argv)
  bind()
  local meta = root .. 'meta'
  if call('EXISTS', meta) == 0 then create(meta) end
  local u, refusal = unit.open(root, argv[1])
  if not u then return refusal end
  unit.lease_time(u)
  local server = server_run_id()
  if call('HGET', meta, 'server') ~= server then
    u.epoch = text(tonumber(u.epoch) + 1)
    u.hold = u.now + HOLD_MS
    u.meta.server, u.meta.epoch = server, u.epoch
    u.meta.hold, u.meta.sweep = text(u.hold), '1'
  end
  u.meta.lease_ms, u.meta.max_waiting, u.meta.soft_bytes = argv[3], argv[4], argv[5]
  u.meta.rate = tonumber(argv[6]) > 0 and argv[6] .. ' ' .. argv[7] or ''
  call('ZADD', keys.at(u, 'hubs'), text(u.now + tonumber(argv[2])), argv[1])
  unit.close(u)
  return { 'ok', FORMAT, u.epoch, text(u.now), text(max(0, u.hold - u.now)) }
end
