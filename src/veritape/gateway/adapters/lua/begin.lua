-- What every script begins with: the store's clock, and the shape of an answer: 14 signed integers of 8 bytes, which hold
-- code, now, minute debt, at, weight, hour debt, at, weight, used, slots, held, lease end, boot's field, clocks rebased.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local ANSWER, AGAIN = '<i8i8i8i8i8i8i8i8i8i8i8i8i8i8', '<i8i8'
