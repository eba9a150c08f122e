SELECT
    set_config('work_mem', '64MB', true), set_config('maintenance_work_mem', '128MB', true),
    set_config('jit', 'off', true), set_config('client_min_messages', 'warning', true)
