-- Bring the debts down to the caps of the present rules, once, after a change of tier (GW-211). ARGV: 1-3 minute, 4-6 hour.
local minute_rule, hour_rule = rule_at(1), rule_at(4)
local minute, hour = tidy(minute_rule, hour_rule)

local function clamp(bucket, rule)
  if not rule then return end
  local debt, at = decayed(bucket, rule, now)
  bucket.debt, bucket.at, bucket.weight = math.min(debt, rule.cap), at, rule.weight
end

clamp(minute, minute_rule)
clamp(hour, hour_rule)
keep(minute, minute_rule, hour, hour_rule)
return {1, now}
