-- opening: what the first and every later Hello of a session have in common.

local HELD_AT = 14

-- What ends the Hello of a new session before anything is written.
local function conflict(u, worker, instance, silent_ms)
  local sid = call('GET', keys.worker(u, worker))
  local other = sid and unit.session(u, sid)
  if not other or not sessions.live(other) then return nil, nil end
  if other.instance == instance then return nil, other end
  local due = tonumber(call('ZSCORE', keys.due(u, 'leases'), sid) or '0')
  local silence = u.lease - (due - tonumber(other.lease_ms))
  if other.state == 'open' and silence < silent_ms then return 'in_use', nil end
  return nil, other
end

local function create(u, argv)
  local sid = argv[2]
  local s = { id = sid, changed = {}, in_flight = 0, stopping = 0, offers = 0 }
  u.sessions[sid] = s
  unit.set(s, 'worker', argv[4])
  unit.set(s, 'instance', argv[5])
  unit.set(s, 'principal', argv[6])
  unit.set(s, 'stream', '0')
  unit.set(s, 'in_flight', 0)
  unit.set(s, 'stopping', 0)
  unit.set(s, 'opened', text(u.now))
  call('SET', keys.worker(u, argv[4]), sid)
  call('ZADD', keys.at(u, 'sessions'), 0, sid)
  unit.count(u, 'sessions')
  return s
end

-- The pool may be another than before when the process offers something else now.
local function join_pool(u, s, pool, json)
  if s.pool == pool then return end
  if s.pool then
    room.hide(u, s)
    classes.leave(u, s.pool, s.id)
  end
  unit.set(s, 'pool', pool)
  classes.join(u, pool, json, s.id)
  room.exceed(u, s)
end

local function resident(u, s, models)
  if (s.models or '') == models then return end
  for model in gmatch(s.models or '', '[^,]+') do
    call('ZREM', keys.warm(u, s.pool, model), s.id)
  end
  unit.set(s, 'models', models)
end

local function connect(u, s, argv)
  if s.hub and s.hub ~= argv[1] then mail.wake(u, s, '') end
  unit.set(s, 'hub', argv[1])
  if s.connection ~= argv[3] then
    unit.set(s, 'stream', text(tonumber(s.stream) + 1))
    unit.set(s, 'connection', argv[3])
  end
  unit.set(s, 'state', 'open')
  unit.set(s, 'lease_ms', argv[9])
  unit.set(s, 'sdk', argv[12])
  call('ZADD', keys.due(u, 'leases'), text(u.lease + tonumber(argv[9])), s.id)
end

function opening.open(u, argv, counts)
  unit.lease_time(u)
  local sid, known = argv[2], nil
  local s = unit.session(u, sid)
  if s and s.principal ~= argv[6] then return { 'not_yours' } end
  if s and s.state == 'superseded' then return { 'superseded' } end
  if s and not sessions.live(s) then return { 'ended' } end
  if not s then
    local why, other = conflict(u, argv[4], argv[5], tonumber(argv[10]))
    if why then return { why } end
    if counts and call('ZCARD', keys.due(u, 'leases')) >= tonumber(argv[13]) then return { 'limit' } end
    if other then sessions.finish(u, other, 'superseded', ITEMS_PER_CALL) end
    s = create(u, argv)
  else
    known = true
  end
  join_pool(u, s, argv[7], argv[8])
  resident(u, s, argv[11])
  connect(u, s, argv)
  local claims = {}
  for i = HELD_AT, #argv, 2 do claims[argv[i]] = { argv[i + 1] } end
  local verdicts = sessions.reconcile(u, s, claims)
  local word = unit.hand(u, keys.mail(u, sid), '*')
  if word then
    local fence, what = split2(word)
    mail.send(u, s, '*', fence, what)
  end
  room.show(u, s)
  line.serve(u, s)
  return { 'ok', s.stream, known and '1' or '0', s.draining or '0' }, verdicts
end
