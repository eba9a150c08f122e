SELECT name, declaration FROM onward.app ORDER BY name
