from onward_apps.orders.diagram import diagram
from onward_apps.orders.model import EVENTS, Entity
from onward_apps.orders.specification import specification

PARENT = Entity("fund", {"fund_id": "integer", "name": "text"}, key="fund_id")
CHILD = Entity(
    "holding", {"fund_id": "integer", "asset id": "text", "worth": "decimal(10,2)"}, key=["fund_id", "asset id"], rank=1
)


def test_the_diagram_draws_every_table_its_log_and_who_belongs_to_whom():
    drawn = diagram([PARENT, CHILD]).splitlines()
    assert drawn[0] == "erDiagram"
    assert "        integer fund_id PK" in drawn and "        text asset_id PK" in drawn
    assert '    fund ||--o{ holding : "fund_id"' in drawn
    assert '    holding ||--|{ holding_event_log : "event_id"' in drawn
    assert sum("loader_deliveries" in line for line in drawn) == 2


def test_the_specification_names_every_column_with_its_type():
    text = specification("funds", [PARENT, CHILD])
    assert "| `worth` | decimal(10,2) | TEXT | numeric(10,2) |  |" in text
    assert "| `asset id` | text | TEXT | text | yes |" in text
    assert "`holding_event_log`" in text and "`dbo.holding`" in text and "`funds.changes`" in text
    assert all(f"| {event} |" in text for event in EVENTS)
