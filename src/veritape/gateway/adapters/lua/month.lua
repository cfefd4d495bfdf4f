-- A month's fields. KEYS as ever. ARGV: 1 operation, 2 when the key expires (Unix ms), then pairs of boot and mu.
-- 'seed' writes the sum when the store does not know it; 'set' puts fields to exact figures; 'add' moves a field by a signed
-- amount, never below 0. Answer: code (1 done, 0 the store does not know the month), total, last named field.
local known = redis.call('HGET', KEYS[2], 't')
local total, field = tonumber(known or 0), 0
if ARGV[1] == 'seed' and known then return {1, total, 0} end
if ARGV[1] ~= 'seed' and not known then return {0, 0, 0} end
local values = {}
for index = 3, #ARGV, 2 do
  local before = tonumber(redis.call('HGET', KEYS[2], ARGV[index]) or 0)
  field = tonumber(ARGV[index + 1])
  if ARGV[1] == 'add' then field = math.max(0, before + field) end
  total = total + field - before
  values[#values + 1] = ARGV[index]
  values[#values + 1] = text(field)
end
total = math.max(0, total)
redis.call('HSET', KEYS[2], 't', text(total), unpack(values))
redis.call('PEXPIREAT', KEYS[2], ARGV[2])
return {1, total, field}
