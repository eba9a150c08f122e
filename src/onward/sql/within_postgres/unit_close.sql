CLOSE onward_unit
