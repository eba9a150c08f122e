"""An async stage that posts batches to an agent over HTTP. While the agent is away nothing parks, and each record
keeps the same id at every attempt, so that the agent can tell a repeat."""

from collections.abc import AsyncIterator

from msgspec import Struct

from onward import App, Record, Unavailable
from onward.testing import TestRun


class Reading(Struct):
    meter: str
    kwh: float


class Agent:
    """Stands for an HTTP client; the agent behind it is away for the first post."""

    def __init__(self) -> None:
        self.away = True
        self.refused: dict[str, float] = {}
        self.booked: dict[str, float] = {}

    async def post(self, body: dict[str, float]) -> int:
        if self.away:
            self.away = False
            self.refused |= body
            return 503
        self.booked |= body
        return 200


app = App("meters")
readings = app.topic("readings", Reading, key="meter")


@app.resource
async def agent() -> AsyncIterator[Agent]:
    yield Agent()  # here a true client is opened, and closed after the yield


@app.stage(readings, batch=3, timeout="30s")
async def submit(records: list[Record[Reading]], agent: Agent) -> None:
    if await agent.post({record.id: record.value.kwh for record in records}) == 503:
        raise Unavailable("the agent is away")


if __name__ == "__main__":
    fake = Agent()
    with TestRun(app, resources={"agent": fake}) as run:
        run.put(readings, *(Reading(f"meter-{number % 4}", number / 2) for number in range(6)))
        run.until_idle()
        print(f"{len(fake.refused)} records in the first post, refused with 503; {len(run.parked(submit))} parked")
        again = fake.booked.keys() & fake.refused.keys()
        print(f"{len(fake.booked)} records booked, {len(again)} of them under an id of the first post")

# 3 records in the first post, refused with 503; 0 parked
# 6 records booked, 3 of them under an id of the first post
