-- Append the closing entry of an ended session to its history, once.
-- KEYS: record, history
-- ARGV: expected position, next position, next chain, entry, revision
-- Answers 1 where the entry was appended now, 0 where there was nothing to append.
local at = redis.call('HMGET', KEYS[1], 'status', 'position', 'closed')
if at[1] ~= 'ended' or at[2] ~= ARGV[1] or at[3] then
  return 0
end
redis.call('XADD', KEYS[2], ARGV[5] .. '-0', 'e', ARGV[4], 'c', ARGV[3])
redis.call('HSET', KEYS[1], 'position', ARGV[2], 'chain', ARGV[3], 'closed', 1)
return 1
