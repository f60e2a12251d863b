"""``python -m bench`` is ``python bench/run.py``; ``python -m bench load`` measures the server under dashboards."""

import sys

if sys.argv[1:2] == ["load"]:
    from bench.load import main
else:
    from bench.run import main

main()
