-- base: what every other part stands on.
-- While a library loads there is no redis.call, string or math, so they are bound
-- on the first call. Upvalues live on between calls: only facts that never change
-- may be cached in one.

local call, pcall_redis, format, floor, max, min, find, sub, gmatch, concat, decode, pack, unpack_map

local function bind()
  if call then return end
  call, pcall_redis = redis.call, redis.pcall
  format, find, sub, gmatch = string.format, string.find, string.sub, string.gmatch
  floor, max, min = math.floor, math.max, math.min
  concat = table.concat
  decode, pack, unpack_map = cjson.decode, cmsgpack.pack, cmsgpack.unpack
end

-- Limits of one call and of one run. Units are in the names.
local ITEMS_PER_CALL = 256
local ASSIGNMENTS_PER_CALL = 256
local TRIMS_PER_SUBMIT = 2
local EVENTS_PER_RUN = 1000
local FEED_BYTES = 33554432
-- What an entry counts for at least, so that there are 20,000 at most.
local FEED_ENTRY_BYTES = 1678
local BYTES_PER_READ = 262144
local MAIL_BYTES_PER_REPLY = 1048576
local LEASE_STEP_MS = 2000
local BANDS = 8
local WEIGHTS = { [0] = 8, 7, 6, 5, 4, 3, 2, 1 }
local PRIORITIES_PER_BAND = 32
local PLACES_PER_PRIORITY = 64
local FORMAT = '1'

-- What is not written into a run, as most have it.
local PRIORITY, FLOW, MAX_LOST, RETENTION_MS = '128', '-', '3', '604800000'
local VERSION, ATTEMPT = '1', '1'

-- Texts of the numbers that come again and again, each made once.
local TEXTS, TEXTS_KEPT = {}, 1000

-- A number as text: whole ones without an exponent, others exact.
local function text(number)
  local known = TEXTS[number]
  if known then return known end
  if number >= 0 and number < TEXTS_KEPT and number == floor(number) then
    known = format('%d', number)
    TEXTS[number] = known
    return known
  end
  if number == floor(number) then return format('%d', number) end
  return format('%.17g', number)
end

-- The band of each priority, worked out once.
local BAND_OF = {}

local function band_of(priority)
  local band = BAND_OF[priority]
  if not band then
    band = format('%d', floor(tonumber(priority) / PRIORITIES_PER_BAND))
    BAND_OF[priority] = band
  end
  return band
end

-- HGETALL and friends give a flat list; this gives a table.
local function as_table(flat)
  local out = {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end

local function split2(value)
  local at = find(value, ' ', 1, true)
  return sub(value, 1, at - 1), sub(value, at + 1)
end

local function refuse(code, message)
  return redis.error_reply(code .. ' ' .. message)
end
