-- read_feed: a part of the events of all runs, in order. Reads only.
-- KEYS  root
-- ARGV  hub, after, limit   after: id of the last entry seen, '$' for the latest
-- GIVES per entry: id, events as a JSON list; then the epoch, the id of the oldest entry
--       kept and of the latest
-- AGAIN reads again

function transitions.read_feed(u, argv)
  local feed, out = keys.at(u, 'feed'), {}
  local newest = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)
  local oldest = call('XRANGE', feed, '-', '+', 'COUNT', 1)
  if argv[2] ~= '$' then
    for _, entry in ipairs(call('XRANGE', feed, '(' .. argv[2], '+', 'COUNT', tonumber(argv[3]))) do
      out[#out + 1] = { entry[1], entry[2][2] }
    end
  end
  return out, { u.epoch, oldest[1] and oldest[1][1] or '0-0', newest[1] and newest[1][1] or '0-0' }
end
