-- pause: stop or resume giving out the runs of a kind. What runs goes on.
-- KEYS  root
-- ARGV  hub, kind, paused
-- GIVES the kinds that are paused now
-- AGAIN the same kinds

function transitions.pause(u, argv)
  local paused = keys.at(u, 'paused')
  if argv[3] == '1' then
    call('SADD', paused, argv[2])
  elseif call('SREM', paused, argv[2]) == 1 then
    -- The next ticks fill the room that was left empty meanwhile.
    u.meta.sweep = '1'
  end
  local kinds = call('SMEMBERS', paused)
  u.meta.paused = text(#kinds)
  return kinds
end
