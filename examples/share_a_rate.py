"""An API allows 60 calls a minute, and each record needs two. `app.rate` is a budget that all workers of a store share
by its name; whoever awaits it goes on when the next call may be made. A TestRun moves its clock instead of waiting."""

from onward import App
from onward.testing import TestRun

app = App("weather")
cities = app.topic("cities", str)
reports = app.topic("reports", str)
calls = app.rate("calls", "60/m")


async def get(path: str) -> str:
    """Stands for the API."""
    return f"{path} is fine"


@app.stage(cities, to=reports, effect=True)
async def report(city: str) -> str:
    await calls()
    today = await get(city)
    await calls()
    tomorrow = await get(f"tomorrow {city}")
    return f"{today}, {tomorrow}"


if __name__ == "__main__":
    with TestRun(app) as run:
        began = run.clock.now()
        run.put(cities, *(f"city {number}" for number in range(30)))
        run.until_idle()
        print(f"{len(run.values(reports))} reports by 60 calls in {run.clock.now() - began:.0f} s")
        print(run.values(reports)[0])

# 30 reports by 60 calls in 59 s
# city 0 is fine, tomorrow city 0 is fine
