"""Some files crash the library that reads them, and it takes the process along. With `isolate=True` calls are made in
processes of their own: the crash is a failed attempt of that record, whose parked row says how, and others go on."""

import json
import os
import signal
import subprocess
import sys
from tempfile import TemporaryDirectory

import onward
from onward import App, Retry

app = App("pictures")
files = app.topic("files", str, key=lambda file: file)
sizes = app.topic("sizes", str)


@app.stage(files, to=sizes, isolate=True, retry=Retry(attempts=2, first="10ms"))
def measure(file: str) -> str:
    if file == "broken.png":
        signal.raise_signal(signal.SIGSEGV)  # stands for a library that does
    return f"{file}: 640 x 480"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/pictures.db"
        with onward.open(app, store) as client:
            client.put(files, "one.png", "broken.png", "two.png")
        said = {**os.environ, "ONWARD_STORE": store, "ONWARD_LOG": "error"}
        for words in (["run", __file__, "--once"], ["read", "sizes"]):
            subprocess.run([sys.executable, "-m", "onward", *words], env=said)
        listed = [sys.executable, "-m", "onward", "parked", "list", "--json"]
        parked = json.loads(subprocess.run(listed, env=said, capture_output=True).stdout)
        print(parked["key"], parked["state"], "after", parked["attempts"], "attempts:")
        print(parked["error"])

# What stays:
# stage             outstanding  retrying  dead  waiting  running  behind  state
# pictures.measure            0         0     1        0        0       0
# pictures.sizes:0:0  ...  one.png  "one.png: 640 x 480"
# pictures.sizes:0:1  ...  two.png  "two.png: 640 x 480"
# broken.png dead after 2 attempts:
# onward.errors.ProcessDied: the call of pictures.measure ended its process: it was killed by SIGSEGV
