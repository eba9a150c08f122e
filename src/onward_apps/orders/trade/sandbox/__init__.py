"""A stand-in for the broker: what speaks like it, for demos and tests where the real one cannot be.

`tape` is what happens on its market, `exchange` its account and orders, `checks` what it refuses, `server` how it
speaks, `demo` a few days of it.
"""
