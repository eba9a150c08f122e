INSERT INTO tally (name, count) VALUES (:name, :count) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count
