-- keys: the name of every key, made here and nowhere else.
-- Names that users choose stand last, so that no name can look like another key.

-- Those that come again for each run of a call are put together once.
local function known(u, what, id)
  local names = u.names[what]
  if not names then names = {}; u.names[what] = names end
  local name = names[id]
  if not name then
    name = u.root .. what .. id
    names[id] = name
  end
  return name
end

function keys.run(u, id) return u.root .. 'run:' .. id end
function keys.job(u, id) return u.root .. 'job:' .. id end
function keys.output(u, id) return u.root .. 'output:' .. id end
function keys.events(u, id) return u.root .. 'events:' .. id end
function keys.attempts(u, id) return u.root .. 'attempts:' .. id end
function keys.session(u, sid) return u.root .. 'session:' .. sid end
function keys.held(u, sid) return known(u, 'held:', sid) end
function keys.mail(u, sid) return known(u, 'mail:', sid) end
function keys.news(u, hub) return u.root .. 'news:' .. hub end
function keys.worker(u, id) return u.root .. 'worker:' .. id end
function keys.class(u, id) return u.root .. 'class:' .. id end
function keys.pool(u, id) return u.root .. 'pool:' .. id end
function keys.fits(u, class) return u.root .. 'fits:' .. class end
function keys.free(u, pool) return u.root .. 'free:' .. pool end
function keys.members(u, pool) return u.root .. 'members:' .. pool end
function keys.warm(u, pool, model) return u.root .. 'warm:' .. pool .. ':' .. model end
function keys.open(u, kind) return u.root .. 'open:' .. kind end
function keys.pools(u, kind) return u.root .. 'pools:' .. kind end
function keys.classes(u, kind) return u.root .. 'classes:' .. kind end
function keys.queue(u, kind) return u.root .. 'queue:' .. kind end
function keys.wfq(u, kind) return u.root .. 'wfq:' .. kind end
function keys.clocks(u, kind) return u.root .. 'clocks:' .. kind end
function keys.line(u, kind, band) return u.root .. 'line:' .. band .. ':' .. kind end
function keys.vt(u, kind, band) return u.root .. 'vt:' .. band .. ':' .. kind end
function keys.waits(u, kind, band) return u.root .. 'waits:' .. band .. ':' .. kind end
function keys.flows(u, class, band) return u.root .. 'flows:' .. class .. ':' .. band end
function keys.flow(u, class, band, flow)
  return u.root .. 'flow:' .. class .. ':' .. band .. ':' .. flow
end
function keys.inputs(u, run) return u.root .. 'inputs:' .. run end
function keys.checkpoint(u, run) return u.root .. 'checkpoint:' .. run end
function keys.steps(u, run) return u.root .. 'steps:' .. run end
function keys.ring(u, run) return u.root .. 'ring:' .. run end
function keys.listens(u, run) return u.root .. 'listens:' .. run end
function keys.declined(u, run) return u.root .. 'declined:' .. run end
function keys.idem(u, digest) return u.root .. 'idem:' .. digest end
function keys.due(u, what) return known(u, 'due:', what) end
function keys.at(u, name) return known(u, '', name) end
