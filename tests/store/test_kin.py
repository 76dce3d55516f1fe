"""What a spec.json says of other runs is what its Run says."""

from __future__ import annotations

from didact.method import Method
from didact.runs.groups import Peer
from didact.runs.run import Start, everything
from didact.runs.run import depth as depth_of
from didact.spec import choose, to_json
from didact.store.kin import depth, group, needed
from support.tiny import make


def test_teachers_at_any_depth_and_starts_are_needed() -> None:
    teacher = make(net="resnet14")
    assistant = make("kd", teacher=teacher)
    student = make("kd", teacher=assistant, start=Start(run=make(seed=7)))
    found = needed(to_json(student))
    assert found == {run.digest for run in everything([student])} - {student.digest}
    assert len(found) == 3 and needed(to_json(teacher)) == frozenset()
    assert (
        [depth(to_json(run)) for run in (teacher, assistant, student)]
        == [0, 1, 2]
        == [depth_of(run) for run in (teacher, assistant, student)]
    )


def test_a_group_is_known_from_each_of_its_members() -> None:
    dml = choose(Method, "dml")
    first = make("dml", peers=(Peer(net="resnet14", recipe=make().recipe, method=dml, seed=0),))
    assert len(first.group) == 2
    for run in first.group:
        assert group(to_json(run)) == [one.digest for one in first.group]
    assert group(to_json(make())) == [make().digest]


def test_a_spec_that_makes_no_sense_is_alone() -> None:
    for peers in (3, [3], "ab"):
        assert len(group({"net": "x", "peers": peers})) == 1
    assert needed({"teacher": 3, "start": []}) == frozenset()
