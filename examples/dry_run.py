"""What would happen? A dry run takes the true path from where work stands, through all stages, and nothing moves: what
acts outside is withheld and shown. On the command line it is `onward run APP --dry-run`."""

from collections.abc import Iterator

from msgspec import Struct

from onward import App, Checkpoint, Reject
from onward.testing import TestRun


class Member(Struct):
    name: str
    mail: str


MEMBERS = [Member("ann", "ann@example.org"), Member("bob", "nowhere"), Member("cid", "cid@example.org")]

app = App("club")
members = app.topic("members", Member, key="name")
letters = app.topic("letters", str)


@app.source(to=members, every="1h")
def read(cursor: int | None) -> Iterator[Member | Checkpoint]:
    for number, member in enumerate(MEMBERS[cursor or 0 :], (cursor or 0) + 1):
        yield member
        yield Checkpoint(number)


@app.stage(members, to=letters)
def invite(member: Member) -> str | Reject:
    if "@" not in member.mail:
        return Reject(f"{member.mail!r} is no address")
    return f"to {member.mail}: come on Friday"


@app.stage(letters)
def send(letter: str) -> None:
    raise AssertionError("no dry run comes here")


if __name__ == "__main__":
    with TestRun(app) as run:
        told, effects = run.dry_run()
        for stage in told.stages:
            print(f"{stage.name}: {stage.done} done, {stage.dead} dead, {stage.withheld} withheld")
            for reason in stage.reasons:
                print(f"  {reason.state}: {reason.reason}, first {reason.first} with key {reason.key}")
        print(*(f"withheld: {effect.value}" for effect in effects), sep="\n")
        print(run.values(members), run.values(letters))

# club.invite: 2 done, 1 dead, 0 withheld
#   dead: 'nowhere' is no address, first club.members:0:1 with key bob
# club.send: 2 done, 0 dead, 2 withheld
# withheld: to ann@example.org: come on Friday
# withheld: to cid@example.org: come on Friday
# [] []
