-- Report what a lease spent, take more, or give it back (shared_state.renew). ARGV: 1-3 minute, 4-6 hour, 7 month's quota or '',
-- 8 month's start, 9 its end, 10 boot, 11 what the boot's field surely is, 12 spent, 13 wanted, 14 least, 15 most held by one lease,
-- 16 most held by all, 17 longest validity, 18 workers, 19 whether the field is exact, 20 concurrency or '',
-- 21 slots wanted in all, 22 unspent of the lease as far as the worker knows: the rest becomes debt. Wanted 0 gives everything back.
-- Answer: code (0 nothing granted, 1 granted or given back, 2 bring the sum, 3 another month, 4 the lease had ended), now, then the
-- integers of decide.lua, then granted, held by this lease, its end, recall, slots of this
-- lease.
local boot, mine, spent, wanted = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local month_end = tonumber(ARGV[9])
if now < tonumber(ARGV[8]) or now >= month_end then return {3, now} end
local minute_rule, hour_rule = rule_at(1), rule_at(4)
local minute, hour = tidy(minute_rule, hour_rule)
local month = redis.call('HMGET', KEYS[2], 't', boot)
if not month[1] then
  if changed then keep(minute, minute_rule, hour, hour_rule) end
  return {2, now}
end
local used, field = tonumber(month[1]), tonumber(month[2] or 0)
if mine > field or ARGV[19] == '1' then used, field = math.max(0, used + mine - field), mine end

local own = redis.call('HGET', KEYS[4], boot)
local mine_held = own and tonumber(string.match(own, '^(%d+)')) or 0
local code, left = 1, math.min(tonumber(ARGV[22]), mine_held - spent)
if spent > mine_held or (wanted == 0 and not own) then code, left = 4, 0 end
owe(minute, minute_rule, mine_held - left, now)
owe(hour, hour_rule, mine_held - left, now)
held, mine_held = held - mine_held + left, left

local granted = 0
if code == 1 and wanted > 0 then
  granted = math.min(wanted, tonumber(ARGV[15]) - mine_held, tonumber(ARGV[16]) - held)
  for _, pair in ipairs({{minute, minute_rule}, {hour, hour_rule}}) do
    local bucket, rule = pair[1], pair[2]
    if rule then
      local debt = decayed(bucket, rule, now)
      granted = math.min(granted, math.floor((rule.cap - debt) / rule.weight) - held)
    end
  end
  if ARGV[7] ~= '' then
    granted = math.min(granted, math.floor((tonumber(ARGV[7]) - used) / (2 * tonumber(ARGV[18]))))
  end
  if granted < math.max(1, tonumber(ARGV[14])) then granted, code = 0, 0 end
  mine_held, held, used, field = mine_held + granted, held + granted, used + granted, field + granted
elseif code == 1 then
  held, used, field = held - mine_held, used - mine_held, field - mine_held
  mine_held = 0
end

local ends = math.min(now + tonumber(ARGV[17]), month_end)
if mine_held > 0 then
  redis.call('HSET', KEYS[4], boot, text(mine_held) .. ',' .. text(ends))
  redis.call('PEXPIREAT', KEYS[4], text(ceil_div(math.max(ends, lease_end), 1000) + 1000))
else
  redis.call('HDEL', KEYS[4], boot)
  ends = 0
end
local slots = 0
if ARGV[20] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now))
  local busy, before = redis.call('ZCARD', KEYS[3]), {}
  while redis.call('ZSCORE', KEYS[3], boot .. '/' .. #before) do before[#before + 1] = boot .. '/' .. #before end
  if mine_held > 0 then
    slots = math.max(0, math.min(tonumber(ARGV[21]), tonumber(ARGV[20]) - busy + #before))
  end
  for index = slots + 1, #before do redis.call('ZREM', KEYS[3], before[index]) end
  for index = 1, slots do redis.call('ZADD', KEYS[3], text(ends), boot .. '/' .. (index - 1)) end
  local latest = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]
  if latest then redis.call('PEXPIREAT', KEYS[3], text(ceil_div(tonumber(latest), 1000) + 1000)) end
end

used, field = math.max(0, used), math.max(0, field)
redis.call('HSET', KEYS[2], 't', text(used), boot, text(field))
keep(minute, minute_rule, hour, hour_rule)
local recall = redis.call('HGET', KEYS[1], 'recall')
return {code, now, minute.debt, minute.at, minute.weight, hour.debt, hour.at, hour.weight, used, 0, held, lease_end, field, rebased,
  granted, mine_held, ends, recall and tonumber(recall) or 0, slots}
