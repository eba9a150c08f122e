SELECT name, put FROM topic WHERE put > 0 ORDER BY name
