-- What wrk sends, and what it says at the end (one line of JSON).
--
--     wrk ... -s load.lua URL -- OPERATION THREADS FILE AUTHORIZATION BODY
--
--     token       sends BODY, a request for a token
--     mint        the same; the access tokens are written to FILE.0, FILE.1, ..., a thread each
--     introspect  the tokens of FILE, over and over
--     requests    the requests of FILE as they are, over and over; each comes after a line with its
--                 length in bytes
--     revoke      the tokens of FILE, each once; a thread that has none left stops
--     rotate      FILE is a queue of refresh tokens: the first is used, its successor goes to the
--                 end. So no token is used twice, and each family is used in sequence. Tokens whose
--                 answers did not arrive in time are lost; the others are written to FILE.

local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds, nanoseconds; } moment;
    int clock_gettime(int, moment *);
]]

local function now()
    local moment = ffi.new("moment")
    ffi.C.clock_gettime(1, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local threads = {}

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

-- Not local: done() runs in a state of its own, and asks each thread for these.
operation, file = "", ""
queue = {}
wrong = 0
-- How long the tokens of revoke lasted, in seconds; 0: until the end.
lasted = 0

local body

-- This thread's share of the file.
local function share(count)
    local lines, position = {}, 0
    for line in io.lines(file) do
        if position % count == number then lines[#lines + 1] = line end
        position = position + 1
    end
    return lines
end

local function post(form)
    return wrk.format("POST", nil, nil, form)
end

local start = {}

function start.token()
    wrk.method = "POST"
    wrk.body = body
end

function start.mint()
    start.token()
    local out = io.open(file .. "." .. number, "a")
    function response(status, _, text)
        local token = text:match('"access_token"%s*:%s*"([^"]+)"')
        if status == 200 and token then out:write(token, "\n") else wrong = wrong + 1 end
    end
end

-- From another place each time, so that one load after the other comes to all of them.
local function over_and_over(requests)
    math.randomseed(os.time() + number)
    local at = math.random(#requests)
    function request()
        at = at % #requests + 1
        return requests[at]
    end
end

function start.introspect(count)
    local requests = share(count)
    for position, token in ipairs(requests) do requests[position] = post("token=" .. token) end
    over_and_over(requests)
end

function start.requests()
    local source = assert(io.open(file, "rb"))
    local requests = {}
    for length in source:lines() do requests[#requests + 1] = source:read(tonumber(length)) end
    over_and_over(requests)
end

function start.revoke(count)
    local requests = share(count)
    for position, token in ipairs(requests) do requests[position] = post("token=" .. token) end
    local none, at, began = post("token=none"), 0, nil
    function request()
        began = began or now()
        at = at + 1
        if at > #requests then
            if lasted == 0 then lasted = now() - began end
            wrk.thread:stop()
        end
        return requests[at] or none
    end
end

function start.rotate(count)
    queue = share(count)
    local first, last = 1, #queue
    function request()
        local token = queue[first] or "none-left"
        queue[first] = nil
        first = first + 1
        return post("grant_type=refresh_token&refresh_token=" .. token)
    end
    function response(status, _, text)
        local token = text:match('"refresh_token"%s*:%s*"([^"]+)"')
        if status == 200 and token then
            last = last + 1
            queue[last] = token
        else
            wrong = wrong + 1
        end
    end
end

function init(arguments)
    operation, file, body = arguments[1], arguments[3], arguments[5]
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    wrk.headers["Authorization"] = arguments[4]
    start[operation](tonumber(arguments[2]))
end

local function keep_queues(path)
    local out = io.open(path, "w")
    for _, thread in ipairs(threads) do
        for _, token in pairs(thread:get("queue")) do out:write(token, "\n") end
    end
    out:close()
end

function done(summary, latency)
    local bad, seconds = 0, 0
    for _, thread in ipairs(threads) do
        bad = bad + thread:get("wrong")
        seconds = math.max(seconds, thread:get("lasted"))
    end
    if threads[1]:get("operation") == "rotate" then keep_queues(threads[1]:get("file")) end
    if seconds == 0 then seconds = summary.duration / 1e6 end
    local errors = summary.errors
    print(string.format(
        '{"requests": %d, "seconds": %.6f, "p50": %d, "p99": %d, "p99.9": %d, '
            .. '"refused": %d, "socket_errors": %d, "timeouts": %d, "wrong": %d}',
        summary.requests, seconds, latency:percentile(50), latency:percentile(99),
        latency:percentile(99.9), errors.status, errors.connect + errors.read + errors.write,
        errors.timeout, bad))
end
