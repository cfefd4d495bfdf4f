-- Makes the closed boots of a month one share (reconciliation.folded). KEYS as ever. ARGV: 1 when the key expires (Unix ms),
-- 2 mu of the closed boots, then their names. Answer: code (1 done, 0 the store does not know the month), total before, after.
local known = redis.call('HGET', KEYS[2], 't')
if not known then return {0, 0, 0} end
for index = 3, #ARGV do redis.call('HDEL', KEYS[2], ARGV[index]) end
redis.call('HSET', KEYS[2], 'closed', text(math.max(0, tonumber(ARGV[2]))))
local fields, total = redis.call('HGETALL', KEYS[2]), 0
for index = 1, #fields, 2 do
  if fields[index] ~= 't' then total = total + tonumber(fields[index + 1]) end
end
redis.call('HSET', KEYS[2], 't', text(total))
redis.call('PEXPIREAT', KEYS[2], ARGV[1])
return {1, tonumber(known), total}
