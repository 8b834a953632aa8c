-- Open a session, unless the log-in began before the user was last logged out everywhere.
-- KEYS: record, history, live sids of the user, not-before, channel
-- ARGV: sid, log-in began (ms), absolute (ms), idle (ms), retention (ms), most sessions of a user,
--       entry, published entry, chain, then the record's fields and values
-- Answers {'too_early'} or {now, expires, idle deadline, sids beyond the most, oldest first}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local barrier = redis.call('GET', KEYS[4])
if barrier and tonumber(ARGV[2]) <= tonumber(barrier) then
  return {'too_early'}
end
local expires = now + ARGV[3]
local idle = math.min(now + ARGV[4], expires)
redis.call('HSET', KEYS[1], 'status', 'live', 'created', now, 'expires', expires, 'idle', idle,
  'chain', ARGV[9], unpack(ARGV, 10))
redis.call('XADD', KEYS[2], '1-0', 'e', ARGV[7], 'c', ARGV[9])
redis.call('PEXPIREAT', KEYS[1], expires + ARGV[5])
redis.call('PEXPIREAT', KEYS[2], expires + ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
redis.call('ZADD', KEYS[3], expires, ARGV[1])
local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[3], last[2])
redis.call('SPUBLISH', KEYS[5], ARGV[8])
local spare = {}
local beyond = redis.call('ZCARD', KEYS[3]) - ARGV[6]
for _, sid in ipairs(beyond > 0 and redis.call('ZRANGE', KEYS[3], 0, beyond) or {}) do
  -- Never the one being opened, however short its life is.
  if sid ~= ARGV[1] and #spare < beyond then spare[#spare + 1] = sid end
end
return {now, expires, idle, spare}
