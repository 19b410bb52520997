-- retry: give failed or cancelled runs a new set of attempts; each joins its line at the
-- end, with its history kept.
-- KEYS  root
-- ARGV  hub, runs...   each: run, class_json
-- GIVES per run: retried | live | completed | stopping (a worker still has the last
--       attempt in hand; again when it has stopped) | unknown
-- AGAIN `live`, and changes nothing

local function revive(u, r, class_json)
  classes.born(u, r.class, class_json, r.kind)
  classes.refer(u, r.class, 1)
  call('ZREM', keys.due(u, 'retention'), r.id)
  call('ZREM', keys.at(u, 'runs:failed'), r.id)
  call('DEL', keys.output(u, r.id))
  unit.unset(u, r, 'ended', 'deadline', 'lost', 'failures', 'declines', 'queue_wait', 'reason',
    'cancel_reason')
  if r.ring then ring.drop(u, r.id) end
  if r.once then unit.set(r, 'once', '1') end
  unit.count(u, r.status, -1)
  unit.set(r, 'session', '')
  unit.set(r, 'charged', '0')
  unit.set(r, 'place', text(line.new_place(u, tonumber(r.priority))))
  events.status(u, r, 'pending', '{"reason":"retry"}')
  place.arrive(u, r)
end

function transitions.retry(u, argv)
  local verdicts = {}
  for i = 2, #argv, 2 do
    local r, verdict = unit.run(u, argv[i]), 'retried'
    if not r then
      verdict = 'unknown'
    elseif r.status == 'completed' then
      verdict = 'completed'
    elseif not r.ended then
      verdict = 'live'
    elseif r.session and r.session ~= '' and unit.hand(u, keys.held(u, r.session), r.id) then
      verdict = 'stopping'
    else
      revive(u, r, argv[i + 1])
    end
    verdicts[#verdicts + 1] = verdict
  end
  return verdicts
end
