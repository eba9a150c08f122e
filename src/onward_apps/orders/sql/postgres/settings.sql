SELECT
    set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '128MB', true),
    set_config('jit', 'off', true), set_config('client_min_messages', 'warning', true),
    set_config('datestyle', 'ISO', true), set_config('extra_float_digits', '1', true),
    set_config('synchronize_seqscans', 'off', true)
