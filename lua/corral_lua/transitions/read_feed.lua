-- read_feed: a part of the events of all runs, in order. Reads only, and gives no more than
-- some hundred KB, or one entry: slow readers hold what they were given.
-- KEYS  root
-- ARGV  hub, after, limit   after: id of the last entry seen, '$' for the latest
-- GIVES per entry: id, events as a JSON list; then the epoch, the id of the oldest entry
--       kept and of the latest
-- AGAIN reads again

local ENTRIES_PER_STEP = 16

function transitions.read_feed(u, argv)
  local feed, out = keys.at(u, 'feed'), {}
  local newest = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)
  local oldest = call('XRANGE', feed, '-', '+', 'COUNT', 1)
  if argv[2] ~= '$' then
    local after, bytes, limit = argv[2], 0, tonumber(argv[3])
    while #out < limit and bytes < BYTES_PER_READ do
      local some = call('XRANGE', feed, '(' .. after, '+', 'COUNT', min(ENTRIES_PER_STEP, limit - #out))
      if #some == 0 then break end
      for _, entry in ipairs(some) do
        bytes = bytes + #entry[2][2]
        if bytes > BYTES_PER_READ and #out > 0 then break end
        out[#out + 1] = { entry[1], entry[2][2] }
        after = entry[1]
      end
    end
  end
  return out, { u.epoch, oldest[1] and oldest[1][1] or '0-0', newest[1] and newest[1][1] or '0-0' }
end
