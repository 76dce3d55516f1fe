"""Tables in Markdown: nothing in a name, a title or a note is taken for markup."""

from __future__ import annotations

import re

from didact.report import markdown
from support.awkward import AWKWARD

NAME = r"sftn (direction=teacher\|\|branch) a\\b_c \*x\* \<b> & \[red\]y\[/red\] 50% #1 {z} \~ \$5\$ \`q\`"


def test_a_table() -> None:
    title, head, rule, *rows, first, second = [line for line in markdown.render(AWKWARD).splitlines() if line]
    assert title == f"**{NAME}**" and head == rf"| method | {NAME} | n\|a | parameters |"
    assert rule == "| --- | ---: | ---: | ---: |"
    assert rows == [
        r"| \[red\]kd\[/red\] \| \\x1b\[2J | 71.25 ± 1.77 (-2.00 ± 1.41) n=2 | - | 78,042 |",
        '| größe ± 日本, "quoted" | -1.25 |  | 950 |',
        r"| \* --star\_ | = text | +3.5 | - |",
    ]
    assert (first, second) == (r"\# first", r"KL(teacher \|\| student) in 5_000 \<nats>")
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in (head, rule, *rows)} == {5}


def test_addresses_stay_links_and_entities_are_text() -> None:
    assert markdown.escaped("see https://a.org/x_y*z~(1) or &amp; a & b") == r"see https://a.org/x_y*z~(1) or \&amp; a & b"
