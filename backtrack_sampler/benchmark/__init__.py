"""Does it help, on what, at which price: strategies measured on checkable tasks, with controls beside them.

Extra: `pip install "backtrack_sampler[benchmark]"`.
"""
