from source_clevertap.run import run

run()
