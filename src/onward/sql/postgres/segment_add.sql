INSERT INTO onward.segment (number, began) VALUES (%(number)s, %(now)s)
