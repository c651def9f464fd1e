"""One benchmark in each file: its docstring is its method, `run` measures."""
