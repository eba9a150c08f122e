UPDATE replay SET cancelled = :now WHERE number = :number AND cancelled IS NULL
