"""The engine performs what the core decides: the only place that awaits on purpose."""
