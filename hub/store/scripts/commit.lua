-- Move a live session from one position to the next: append, write, publish, or change nothing at all. Appending comes
-- first: it alone can still fail, where somebody else has written to the history.
-- KEYS: record, history, idempotency, channel
-- ARGV: expected position, next position, next chain, sealed document, entry, published entry,
--       revision, oldest revision to keep (0: all), idempotency answer ('': none), its life (s)
-- Answers {'done', now}, {'replay', answer}, {'missing'}, or {'over' | 'conflict', now, record}.
if ARGV[9] ~= '' then
  local answer = redis.call('GET', KEYS[3])
  if answer then
    redis.call('EXPIRE', KEYS[3], ARGV[10])
    return {'replay', answer}
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = redis.call('HMGET', KEYS[1], 'status', 'position', 'expires', 'idle')
if not at[1] then
  return {'missing'}
end
if at[1] ~= 'live' or now >= (tonumber(at[3]) or 0) or now >= (tonumber(at[4]) or 0) then
  return {'over', now, redis.call('HGETALL', KEYS[1])}
end
if at[2] ~= ARGV[1] then
  return {'conflict', now, redis.call('HGETALL', KEYS[1])}
end
redis.call('XADD', KEYS[2], ARGV[7] .. '-0', 'e', ARGV[5], 'c', ARGV[3])
redis.call('HSET', KEYS[1], 'position', ARGV[2], 'chain', ARGV[3], 'doc', ARGV[4])
if ARGV[8] ~= '0' then
  redis.call('XTRIM', KEYS[2], 'MINID', ARGV[8] .. '-0')
end
if ARGV[9] ~= '' then
  redis.call('SET', KEYS[3], ARGV[9], 'EX', ARGV[10])
end
redis.call('SPUBLISH', KEYS[4], ARGV[6])
return {'done', now}
