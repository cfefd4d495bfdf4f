-- One request (shared_state.ask). ARGV: 1 thirteen doubles, which are cost, gain, weight and cap of minute and of hour (gain 0: no
-- such limit), the month's quota (-1: none), its start, its end, concurrency (-1: none), a slot's longest time, what the boot
-- charged; 2 boot or ''; 3 slot. Answer: begin.lua's, or `AGAIN` with code (2 bring the sum, 3 another month) and now.
--
-- This part decides the usual request without a table or a function of its own, in half the time: nobody holds a lease, buckets
-- were written under the rules that hold and not ahead of the clock, the month is this one, known, and agrees with the boot.
-- Whatever else is the case, nothing has been written yet when decide.lua, which decides any request, begins anew below.
local cost, minute_gain, minute_weight, minute_cap, hour_gain, hour_weight, hour_cap, quota, month_start, month_end,
  concurrency, slot_us, mine = struct.unpack('<ddddddddddddd', ARGV[1])
local boot, slot = ARGV[2], ARGV[3]
local usual = boot == '' or (now >= month_start and now < month_end)
if usual then
  local buckets = redis.call('HMGET', KEYS[1], 'minute', 'hour')
  usual = redis.call('EXISTS', KEYS[4]) == 0
  local minute_debt, minute_at, minute_was, hour_debt, hour_at, hour_was = 0, 0, 0, 0, 0, 0
  if buckets[1] then
    minute_debt, minute_at, minute_was = string.match(buckets[1], '^(%d+),(%d+),(%d+)$')
    minute_debt, minute_at, minute_was = minute_debt + 0, minute_at + 0, minute_was + 0
    usual = usual and minute_gain > 0 and minute_was == minute_weight and minute_at <= now
  end
  if buckets[2] then
    hour_debt, hour_at, hour_was = string.match(buckets[2], '^(%d+),(%d+),(%d+)$')
    hour_debt, hour_at, hour_was = hour_debt + 0, hour_at + 0, hour_was + 0
    usual = usual and hour_gain > 0 and hour_was == hour_weight and hour_at <= now
  end
  local used, field = 0, 0
  if usual and boot ~= '' then
    local month = redis.call('HMGET', KEYS[2], 't', boot)
    usual = month[1] and true
    if usual then
      used, field = month[1] + 0, (month[2] or 0) + 0
      usual = mine <= field
    end
  end
  if usual then
    local slots = 0
    if concurrency >= 0 then
      redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))
      slots = redis.call('ZCARD', KEYS[3])
    end
    local minute_after, hour_after = 0, 0
    if minute_gain > 0 then
      minute_after = math.max(0, minute_debt - (now - minute_at) * minute_gain) + cost * minute_weight
    end
    if hour_gain > 0 then
      hour_after = math.max(0, hour_debt - (now - hour_at) * hour_gain) + cost * hour_weight
    end
    if minute_after > minute_cap or hour_after > hour_cap or (quota >= 0 and used + cost > quota)
        or (concurrency >= 0 and slots >= concurrency) then
      return struct.pack(ANSWER, 0, now, minute_debt, minute_at, minute_was, hour_debt, hour_at, hour_was, used, slots, 0, 0, field, 0)
    end
    local full_us, minute, hour = 0, false, false
    if minute_gain > 0 then
      minute_debt, minute_at, minute_was, full_us = minute_after, now, minute_weight, minute_after / minute_gain
      minute = string.format('%.0f,%.0f,%.0f', minute_debt, minute_at, minute_was)
    end
    if hour_gain > 0 then
      hour_debt, hour_at, hour_was, full_us = hour_after, now, hour_weight, math.max(full_us, hour_after / hour_gain)
      hour = string.format('%.0f,%.0f,%.0f', hour_debt, hour_at, hour_was)
    end
    if minute and hour then
      redis.call('HSET', KEYS[1], 'minute', minute, 'hour', hour)
    elseif minute or hour then
      redis.call('HSET', KEYS[1], minute and 'minute' or 'hour', minute or hour)
    end
    if minute or hour then
      redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(math.ceil(full_us) / 1000) + 1000))
    end
    if boot ~= '' then
      used, field = used + cost, field + cost
      redis.call('HSET', KEYS[2], 't', string.format('%.0f', used), boot, string.format('%.0f', field))
    end
    if concurrency >= 0 then
      local deadline = now + slot_us
      redis.call('ZADD', KEYS[3], string.format('%.0f', deadline), slot)
      local expire = string.format('%.0f', math.ceil(deadline / 1000) + 1000)
      if slots > 0 then redis.call('PEXPIREAT', KEYS[3], expire, 'GT') else redis.call('PEXPIREAT', KEYS[3], expire) end
      slots = slots + 1
    end
    return struct.pack(ANSWER, 1, now, minute_debt, minute_at, minute_was, hour_debt, hour_at, hour_was, used, slots, 0, 0, field, 0)
  end
end
