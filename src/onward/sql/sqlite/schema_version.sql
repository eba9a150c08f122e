SELECT user_version, EXISTS (SELECT 1 FROM sqlite_schema) FROM pragma_user_version
