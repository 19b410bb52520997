-- listen: follow the ephemeral events of a run from here on, or no more, and read what is
-- kept of them beyond a number of an assignment, in one step, so that nothing is missed between.
-- KEYS  root
-- ARGV  hub, run, how, fence, number   how: on | off | read
-- GIVES nothing when unknown, else status; then fence of what is kept ('' for nothing), its
--       last number, the batches as JSON
-- AGAIN the same

function transitions.listen(u, argv)
  local r, how = unit.run(u, argv[2]), argv[3]
  if not r then return {} end
  if how == 'on' and not r.ended then ring.follow(u, r) end
  if how == 'off' then
    ring.leave(u, r)
    return { r.status }, { '', '0', {} }
  end
  local fence, last, batches = ring.read(u, r, argv[4], tonumber(argv[5]))
  return { r.status }, { fence, text(last), batches }
end
