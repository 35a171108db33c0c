"""`python -m source_clevertap` is `source-clevertap`."""

from source_clevertap.run import run

run()
