"""Databases that files can be delivered into, a module each."""
