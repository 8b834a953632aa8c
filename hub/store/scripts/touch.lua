-- Slide the idle deadline of a live session, never past the absolute one.
-- KEYS: record
-- ARGV: idle (ms)
-- Answers {deadline}, or nothing where the session is over or unknown.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = redis.call('HMGET', KEYS[1], 'status', 'expires', 'idle')
if at[1] ~= 'live' or now >= (tonumber(at[2]) or 0) or now >= (tonumber(at[3]) or 0) then
  return false
end
local idle = math.max(tonumber(at[3]), math.min(now + ARGV[1], tonumber(at[2])))
redis.call('HSET', KEYS[1], 'idle', idle)
return {idle}
