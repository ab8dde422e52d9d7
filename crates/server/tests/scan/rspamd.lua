-- What the test asks of rspamd: to say back what it was told, and to do what a subject says.

local function envelope(task)
  local from = task:get_from('smtp')
  local sender = from and from[1] and from[1].addr or '?'
  local header = function(name) return tostring(task:get_request_header(name) or '-') end
  local told = {
    tostring(task:get_ip()), task:get_helo() or '-', task:get_hostname() or '-',
    '<' .. sender .. '>', task:get_user() or '-', task:get_queue_id() or '-',
    header('deliver-to'), header('tls-version'), header('tls-cipher'), header('mta-name'),
  }
  for _, recipient in ipairs(task:get_recipients('smtp') or {}) do
    table.insert(told, recipient.addr)
  end
  return true, 1.0, told
end

local function act(task)
  local subject = task:get_subject() or ''
  local action = subject:match('^do (.+)$')
  if action then
    task:set_pre_result(action, 'As you wish', 'test')
  end
  if subject == 'fields' then
    task:set_milter_reply({
      add_headers = { ['X-Test'] = 'one\r\n\ttwo', ['X-Second'] = { value = 'x', order = 1 } },
      remove_headers = { ['Subject'] = 0 },
    })
  end
end

rspamd_config:register_symbol({
  name = 'TEST_ENVELOPE', score = 0.5, description = 'What was told', callback = envelope,
})
rspamd_config:register_symbol({ name = 'TEST_ACT', type = 'prefilter', callback = act })
rspamd_config:register_symbol({
  name = 'TEST_HEAVY', score = 7.0, description = 'Heavy',
  callback = function(task) return task:get_subject() == 'heavy' end,
})
