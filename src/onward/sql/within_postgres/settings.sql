SELECT set_config(s.name, given.value, false)
FROM (VALUES
    ('idle_in_transaction_session_timeout', %(idle)s),
    ('tcp_keepalives_idle', '5'),
    ('tcp_keepalives_interval', '2'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '11000')
) AS given (name, value)
JOIN pg_settings s ON s.name = given.name
WHERE s.source NOT IN ('client', 'user', 'database', 'database user')
