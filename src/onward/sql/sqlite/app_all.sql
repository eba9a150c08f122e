SELECT name, declaration FROM app ORDER BY name
