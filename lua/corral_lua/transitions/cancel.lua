-- cancel: end runs by a caller's wish.
-- What has not started never will; what runs is told to stop and keeps its room until
-- it has. The outcome is `cancelled` at once.
-- KEYS  root
-- ARGV  hub, runs...   each: run, reason (JSON text)
-- GIVES per run: cancelled | already | final | unknown
-- AGAIN `already`, and changes nothing

function transitions.cancel(u, argv)
  local verdicts = {}
  for i = 2, #argv, 2 do
    local r = unit.run(u, argv[i])
    if not r then
      verdicts[#verdicts + 1] = 'unknown'
    elseif r.status == 'cancelled' then
      verdicts[#verdicts + 1] = 'already'
    elseif r.ended then
      verdicts[#verdicts + 1] = 'final'
    else
      local running = (r.status == 'running' or r.status == 'offered') and r.session and r.session ~= ''
      if running then
        if r.status == 'running' then attempt.record(u, r, 'cancelled', '') end
        attempt.stop(u, unit.session(u, r.session), r, 'cancelled')
      end
      attempt.finish(u, r, 'cancelled', '', '{"reason":' .. argv[i + 1] .. '}')
      if argv[i + 1] ~= '""' then unit.set(r, 'cancel_reason', argv[i + 1]) end
      verdicts[#verdicts + 1] = 'cancelled'
    end
  end
  return verdicts
end
